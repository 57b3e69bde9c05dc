-- Records what a commit tells besides the judged samples; put in front of series.lua, which calls it.
--
-- The notes are lines: when to look for silence next ('-' for never, nothing for as before), '1' where a change of
-- episodes is news, then the text of each episode, which begins with its start (see store::Notes). The keys are named
-- after the memory of the series, whose slot they share.
local EPISODES_KEPT_MAX = 512

local function whole(number)
  return string.format('%.0f', number)
end

local function note(memory, pending_name, notes, next_version, ttl_s)
  if notes == '' then
    return
  end
  local shard = string.match(memory, '^tm:%b{}:')
  local line = string.gmatch(notes, '([^\n]*)\n')
  local look, is_news = line(), line() == '1'
  if look == '-' then
    redis.call('ZREM', shard .. 'silence_checks', pending_name)
  elseif look ~= '' then
    redis.call('ZADD', shard .. 'silence_checks', look, pending_name)
  end

  local episodes = string.gsub(memory, 'memory$', 'episodes')
  local n_changed = 0
  for text in line do
    local start = string.match(text, '^%d+')
    local before = redis.call('ZRANGEBYSCORE', episodes, start, start)[1]
    local news = not is_news and before and string.match(before, '^%d+ (%d+)') or whole(next_version)
    redis.call('ZREMRANGEBYSCORE', episodes, start, start)
    redis.call('ZADD', episodes, start, whole(next_version) .. ' ' .. news .. ' ' .. text)
    n_changed = n_changed + 1
  end
  if n_changed == 0 then
    return
  end
  redis.call('EXPIRE', episodes, ttl_s)
  if is_news and redis.call('EXISTS', shard .. 'history_enabled') == 1 then
    redis.call('ZADD', shard .. 'unsaved_episodes', 'NX', whole(next_version - 1), pending_name)
  end
  local n_over = redis.call('ZCARD', episodes) - EPISODES_KEPT_MAX
  if n_over > 0 then
    local saved = tonumber(redis.call('ZSCORE', shard .. 'unsaved_episodes', pending_name) or nil) or math.huge
    local n_lost = 0
    for _, member in ipairs(redis.call('ZRANGE', episodes, 0, n_over - 1)) do
      if tonumber(string.match(member, '^%d+ (%d+)')) > saved then
        n_lost = n_lost + 1
      end
    end
    if n_lost > 0 then
      redis.call('HINCRBY', shard .. 'totals', 'episodes_lost', n_lost)
    end
    redis.call('ZREMRANGEBYRANK', episodes, 0, n_over - 1)
  end
end

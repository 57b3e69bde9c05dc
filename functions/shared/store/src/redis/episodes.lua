-- Stores the episode update of a commit; follows series.lua, whose keys and limits it uses.
--
-- The update has lines: the time of the next silence check ('-' for never, empty if unchanged), '1' if the change of
-- episodes is notable, then the text of each episode, which begins with its start (see protocol::EpisodeUpdate).

local function whole(number)
  return string.format('%.0f', number)
end

function store_episodes(pending_name, update, next_version)
  if update == '' then
    return
  end
  local line = string.gmatch(update, '([^\n]*)\n')
  local check, is_notable = line(), line() == '1'
  if check == '-' then
    redis.call('ZREM', silence_checks, pending_name)
  elseif check ~= '' then
    redis.call('ZADD', silence_checks, check, pending_name)
  end

  local n_changed = 0
  for text in line do
    local start = string.match(text, '^%d+')
    local before = redis.call('ZRANGEBYSCORE', episodes, start, start)[1]
    local notable_version = not is_notable and before and string.match(before, '^%d+ (%d+)') or whole(next_version)
    redis.call('ZREMRANGEBYSCORE', episodes, start, start)
    redis.call('ZADD', episodes, start, whole(next_version) .. ' ' .. notable_version .. ' ' .. text)
    n_changed = n_changed + 1
  end
  if n_changed == 0 then
    return
  end
  redis.call('EXPIRE', episodes, ttl_s)
  if redis.call('EXISTS', alert_checks) == 1 then
    -- Another place for each change, before all times, and in no lasting order (see alerts.rs).
    redis.call('ZADD', alert_checks, whole(-1 - next_version % 1048576 * 2654435761 % 4294967296), pending_name)
  end
  if is_notable and redis.call('EXISTS', history_enabled) == 1 then
    redis.call('ZADD', unsaved_episodes, 'NX', whole(next_version - 1), pending_name)
  end
  local n_over = redis.call('ZCARD', episodes) - episodes_kept_max
  if n_over > 0 then
    local saved = tonumber(redis.call('ZSCORE', unsaved_episodes, pending_name) or nil) or math.huge
    local n_lost = 0
    for _, member in ipairs(redis.call('ZRANGE', episodes, 0, n_over - 1)) do
      if tonumber(string.match(member, '^%d+ (%d+)')) > saved then
        n_lost = n_lost + 1
      end
    end
    if n_lost > 0 then
      redis.call('HINCRBY', totals, 'episodes_lost', n_lost)
    end
    redis.call('ZREMRANGEBYRANK', episodes, 0, n_over - 1)
  end
end

-- Saves the alerts of a series if their version is still the one that was read, and moves it in the queue of checks.
--
-- KEYS: alerts, queue of checks, series of the tenant with alerts
-- ARGV: name with tenant, version that was read, new text ('' to remove it), time to live in seconds,
--       place in the queue from which the series was taken ('' to leave the queue), next place ('' for none), name
-- Returns: 1 if saved, 0 otherwise
local stored = redis.call('GETRANGE', KEYS[1], '0', '19')
local version = string.match(stored, '^%d+') or '0'
if version ~= ARGV[2] then
  return 0
end
if ARGV[3] == '' then
  redis.call('DEL', KEYS[1])
  redis.call('ZREM', KEYS[3], ARGV[7])
else
  redis.call('SET', KEYS[1], string.format('%d', version + 1) .. ' ' .. ARGV[3], 'EX', ARGV[4])
  local now_s = redis.call('TIME')[1]
  redis.call('ZADD', KEYS[3], now_s, ARGV[7])
  -- Those whose alerts have expired.
  redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', string.format('%d', now_s - ARGV[4]))
  redis.call('EXPIRE', KEYS[3], ARGV[4])
end
if ARGV[5] ~= '' then
  local place = redis.call('ZSCORE', KEYS[2], ARGV[1])
  if place and tonumber(place) == tonumber(ARGV[5]) then
    if ARGV[6] == '' then
      redis.call('ZREM', KEYS[2], ARGV[1])
    else
      redis.call('ZADD', KEYS[2], ARGV[6], ARGV[1])
    end
  end
end
return 1

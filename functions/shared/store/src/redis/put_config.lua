-- Stores or removes the configuration of a series under a revision that it never had, and marks it as unsaved.
--
-- A writer that judged under another revision gets a conflict when it commits, and judges again. The key does not
-- expire: a configuration may be stored before the first sample, and outlasts a pause of the series. Without a history
-- a removal leaves nothing: its mark would never be removed.
--
-- KEYS: config, index of unsaved configurations, configured series of the tenant, the mark of an enabled history
-- ARGV: name with tenant, name, configured series of the tenant in this shard max, the revision that is replaced (0 for
--       none, '' for any), text; no text removes it
-- Returns: the revision; 0 if there was nothing to remove; -1 if the configuration is new and above the limit; -2 if
--          another revision is stored
local member, name, configs_max, replaced, text = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4], ARGV[5]
local stored = text and redis.call('GETRANGE', KEYS[1], 0, 19) or redis.pcall('GETRANGE', KEYS[1], 0, 19)
local before = type(stored) == 'string' and tonumber(string.match(stored, '^%d+'))
if replaced ~= '' and (before or 0) ~= tonumber(replaced) then
  return -2
end
local exists = redis.call('EXISTS', KEYS[1]) == 1
if not text and not exists then
  return 0
end
if text and not exists and redis.call('SCARD', KEYS[3]) >= configs_max then
  return -1
end
local time = redis.call('TIME')
local revision = tonumber(time[1]) * 1000000 + tonumber(time[2])
local marked = tonumber(redis.call('ZSCORE', KEYS[2], member) or nil)
revision = string.format('%.0f', math.max(revision, (marked or 0) + 1, (before or 0) + 1))
if text then
  redis.call('ZADD', KEYS[2], revision, member)
  redis.call('SADD', KEYS[3], name)
  redis.call('SET', KEYS[1], revision .. ' ' .. text)
else
  if redis.call('EXISTS', KEYS[4]) == 1 then
    redis.call('ZADD', KEYS[2], revision, member)
  else
    redis.call('ZREM', KEYS[2], member)
  end
  redis.call('SREM', KEYS[3], name)
  redis.call('DEL', KEYS[1])
end
return tonumber(revision)

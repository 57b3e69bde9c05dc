-- Stores or removes the configuration of a series under a revision that it never had, and marks it as unsaved.
--
-- A writer that judged under another revision gets a conflict when it commits, and judges again. The key does not
-- expire: a configuration may be stored before the first sample, and outlasts a pause of the series.
--
-- KEYS: config, index of unsaved configurations
-- ARGV: name with tenant, text; no text removes it
-- Returns: the revision; 0 if there was nothing to remove
local name, text = ARGV[1], ARGV[2]
if not text and redis.call('EXISTS', KEYS[1]) == 0 then
  return 0
end
local time = redis.call('TIME')
local revision = tonumber(time[1]) * 1000000 + tonumber(time[2])
local marked = tonumber(redis.call('ZSCORE', KEYS[2], name) or nil)
local stored = text and redis.call('GETRANGE', KEYS[1], 0, 19) or redis.pcall('GETRANGE', KEYS[1], 0, 19)
local before = type(stored) == 'string' and tonumber(string.match(stored, '^%d+'))
revision = string.format('%.0f', math.max(revision, (marked or 0) + 1, (before or 0) + 1))
redis.call('ZADD', KEYS[2], revision, name)
if text then
  redis.call('SET', KEYS[1], revision .. ' ' .. text)
else
  redis.call('DEL', KEYS[1])
end
return tonumber(revision)

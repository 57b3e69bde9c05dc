-- Stores the configuration of a series, or removes it, under a revision that no configuration of it ever had, and marks
-- it as not yet in history.
--
-- A writer that judged under another one finds this revision when it commits, and judges again. The key does not
-- expire: a configuration may be put before the first sample, and outlives a pause of the series.
--
-- KEYS: config, index of those that history does not hold
-- ARGV: name with tenant, text; no text removes it
-- Answers: the revision; 0 where there was nothing to remove
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

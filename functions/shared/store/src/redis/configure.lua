-- Stores the configuration of a series under a revision that no configuration of it ever had.
--
-- A writer that judged under another one finds this revision when it commits, and judges again. The key does not
-- expire: a configuration may be put before the first sample, and outlives a pause of the series.
--
-- KEYS: config
-- ARGV: text
-- Answers: the revision
local time = redis.call('TIME')
local now_us = tonumber(time[1]) * 1000000 + tonumber(time[2])
local before = string.match(redis.call('GETRANGE', KEYS[1], 0, 19), '^%d+')
local revision = string.format('%.0f', math.max(now_us, (tonumber(before) or 0) + 1))
redis.call('SET', KEYS[1], revision .. ' ' .. ARGV[1])
return tonumber(revision)

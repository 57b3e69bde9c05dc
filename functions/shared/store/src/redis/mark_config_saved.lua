-- Notes that history holds what a revision did to the configuration of a series.
--
-- A later one keeps the series marked.
--
-- KEYS: index of those that history does not hold
-- ARGV: name with tenant, revision
local marked = redis.call('ZSCORE', KEYS[1], ARGV[1])
if marked and tonumber(marked) <= tonumber(ARGV[2]) then
  redis.call('ZREM', KEYS[1], ARGV[1])
end

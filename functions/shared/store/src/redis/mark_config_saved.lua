-- Records that the history holds a revision of the configuration of a series, or its removal.
--
-- The series stays marked if a later revision exists.
--
-- KEYS: index of unsaved configurations
-- ARGV: name with tenant, revision
local marked = redis.call('ZSCORE', KEYS[1], ARGV[1])
if marked and tonumber(marked) <= tonumber(ARGV[2]) then
  redis.call('ZREM', KEYS[1], ARGV[1])
end

-- Records that the history holds all notable changes of the episodes of a series up to a version.
--
-- The series stays in the index if a later change exists.
--
-- KEYS: episodes, index of unsaved
-- ARGV: name with tenant, version
local newest = 0
for _, member in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  newest = math.max(newest, tonumber(string.match(member, '^%d+ (%d+)')))
end
if newest > tonumber(ARGV[2]) then
  redis.call('ZADD', KEYS[2], 'XX', ARGV[2], ARGV[1])
else
  redis.call('ZREM', KEYS[2], ARGV[1])
end

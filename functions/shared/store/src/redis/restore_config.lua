-- Takes the configuration of a series back from history, where there is none and none was removed since.
--
-- KEYS: config, index of those that history does not hold
-- ARGV: name with tenant, text with revision
-- Answers: whether it did
if redis.call('EXISTS', KEYS[1]) == 1 or redis.call('ZSCORE', KEYS[2], ARGV[1]) then
  return 0
end
redis.call('SET', KEYS[1], ARGV[2])
return 1

-- Restores the configuration of a series from the history, unless one is stored or was removed since.
--
-- KEYS: config, index of unsaved configurations, configured series of the tenant
-- ARGV: name with tenant, name, text with revision
-- Returns: 1 if restored, otherwise 0
if redis.call('EXISTS', KEYS[1]) == 1 or redis.call('ZSCORE', KEYS[2], ARGV[1]) then
  return 0
end
redis.call('SADD', KEYS[3], ARGV[2])
redis.call('SET', KEYS[1], ARGV[3])
return 1

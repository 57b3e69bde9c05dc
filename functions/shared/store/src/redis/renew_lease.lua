-- Stores the report of a process until its lease ends, and removes up to 100 processes with an expired lease.
--
-- KEYS: leases, instances
-- ARGV: function and name of the process, its numbers, lease in seconds, instances max
local time = redis.call('TIME')
local now_us = tonumber(time[1]) * 1000000 + tonumber(time[2])
local lease_s = tonumber(ARGV[3])

local ended = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now_us), 'LIMIT', 0, 100)
if #ended > 0 then
  redis.call('ZREM', KEYS[1], unpack(ended))
  redis.call('HDEL', KEYS[2], unpack(ended))
end
if redis.call('ZSCORE', KEYS[1], ARGV[1]) or redis.call('ZCARD', KEYS[1]) < tonumber(ARGV[4]) then
  redis.call('ZADD', KEYS[1], string.format('%.0f', now_us + lease_s * 1000000), ARGV[1])
  redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
end
redis.call('EXPIRE', KEYS[1], 2 * lease_s)
redis.call('EXPIRE', KEYS[2], 2 * lease_s)
return 1

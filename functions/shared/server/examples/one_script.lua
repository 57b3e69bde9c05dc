-- One sample more in a sorted set, its newest 50 in the answer.
local time = redis.call('TIME')
local at = time[1] * 1000000 + time[2]
redis.call('ZADD', KEYS[1], at, string.format('%.0f:%s', at, ARGV[1]))
redis.call('ZREMRANGEBYRANK', KEYS[1], 0, -51)
return redis.call('ZRANGE', KEYS[1], 0, -1)

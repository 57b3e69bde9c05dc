-- Takes tokens from the token bucket of a tenant.
--
-- KEYS: bucket
-- ARGV: tokens per second, burst, least and most tokens to take
-- Returns: tokens granted, 0 if fewer than the least are available; microseconds until those are available
local rate, burst = tonumber(ARGV[1]), tonumber(ARGV[2])
local least, most = tonumber(ARGV[3]), tonumber(ARGV[4])
local time = redis.call('TIME')
local now_us = tonumber(time[1]) * 1000000 + tonumber(time[2])

local stored = redis.call('HMGET', KEYS[1], 'tokens', 'at_us')
local tokens = tonumber(stored[1] or nil) or burst
local since_us = math.max(0, now_us - (tonumber(stored[2] or nil) or now_us))
tokens = math.min(burst, tokens + since_us * rate / 1000000)

local granted, wait_us = 0, 0
if tokens >= least then
  granted = math.min(most, math.floor(tokens))
else
  wait_us = math.ceil((least - tokens) * 1000000 / rate)
end
redis.call('HSET', KEYS[1], 'tokens', string.format('%.17g', tokens - granted), 'at_us', string.format('%.0f', now_us))
-- A missing bucket is full, as this one is when it expires.
redis.call('EXPIRE', KEYS[1], math.ceil(burst / rate) + 1)
return { granted, wait_us }

-- An edge says that it is there. KEYS: memory, edges. ARGV: now or '', edge. Answers how many are, and which memory it is.
local PRESENCE = 5000
local now = tonumber(ARGV[1])
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end
local born = tonumber(redis.call('GET', KEYS[1]) or nil)
if not born or born > now then
  born = now
  redis.call('SET', KEYS[1], string.format('%.0f', now))
end
redis.call('ZADD', KEYS[2], now, ARGV[2])
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now - PRESENCE)
return { redis.call('ZCARD', KEYS[2]), born }

-- An edge says that it is there. KEYS: memory, edges. ARGV: now or '', edge. Answers how many are, and which memory it is.
local PRESENCE = 5000
claim(KEYS[2], 'zset')
redis.call('ZADD', KEYS[2], now, ARGV[2])
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now - PRESENCE)
-- Nobody was there later than now: such an edge would be there for ever.
redis.call('ZREMRANGEBYSCORE', KEYS[2], now + AHEAD, '+inf')
return { redis.call('ZCARD', KEYS[2]), born }

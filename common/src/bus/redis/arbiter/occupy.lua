-- The transfers of one customer: places by edge, each as long as its edge says so.
-- KEYS: memory, places. ARGV: now or '', edge, most, running, waiting. Answers how many are this edge's; -1 = the memory
-- is too young to know of the others.
local OCCUPANCY, SETTLING = 3000, 3000
local now = tonumber(ARGV[1])
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end
local edge, most, running, waiting = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local born = tonumber(redis.call('GET', KEYS[1]) or nil)
if not born or born > now then
  born = now
  redis.call('SET', KEYS[1], string.format('%.0f', now))
end
local fields, others = redis.call('HGETALL', KEYS[2]), 0
for i = 1, #fields, 2 do
  local places, ends = string.match(fields[i + 1], '(%d+) (%d+)')
  if tonumber(ends) <= now then
    redis.call('HDEL', KEYS[2], fields[i])
  elseif fields[i] ~= edge then
    others = others + tonumber(places)
  end
end
local settles = born + SETTLING > now
local places = running
if not settles then
  places = running + math.max(0, math.min(waiting, most - others - running))
end
if places > 0 then
  redis.call('HSET', KEYS[2], edge, string.format('%.0f %.0f', places, now + OCCUPANCY))
  redis.call('PEXPIRE', KEYS[2], OCCUPANCY)
else
  redis.call('HDEL', KEYS[2], edge)
end
if settles then
  return -1
end
return places

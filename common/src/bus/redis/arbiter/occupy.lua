-- The transfers of one customer: places by edge, each as long as its edge says so.
-- KEYS: memory, places. ARGV: now or '', edge, most, running, waiting. Answers how many are this edge's; -1 = the memory
-- is too young to know of the others.
local OCCUPANCY, SETTLING = 3000, 3000
local edge, most, running, waiting = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
claim(KEYS[2], 'hash')
local fields, others = redis.call('HGETALL', KEYS[2]), 0
for i = 1, #fields, 2 do
  local places, ends = string.match(fields[i + 1], '^(%d+) (%d+)$')
  ends = tonumber(ends or 0)
  if ends <= now or ends > now + OCCUPANCY + AHEAD then
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

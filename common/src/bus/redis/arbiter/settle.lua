-- One claim of one edge on the minute of one key. All that is known of the minute lies in one hash:
--   s<slot> = requests spent in that quarter second;  e<edge> = "number total tokens until" of its last lease;
--   left = requests that ever left the window;        lost = when this hash was found missing.
-- Tokens count as spent until their edge says otherwise, or until they would have left the window.
-- KEYS: memory, edges, minute. ARGV: now or '', edge, number, limit, total, held, waiting, ahead, was answered, is whole,
-- then age and count of what was spent, newest first.
local WINDOW, SLOT, LEASE, SETTLING = 60000, 250, 1000, 3000
local edge, number, limit, total = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local held, waiting, ahead = tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8])
local slot = math.floor(now / SLOT)

claim(KEYS[2], 'zset')
claim(KEYS[3], 'hash')

-- Whether a field is one of ours, of a time that can be.
local function is_ours(name, value)
  local kind, rest = string.sub(name, 1, 1), string.sub(name, 2)
  if name == 'left' then
    return whole(value)
  elseif name == 'lost' then
    return whole(value) and tonumber(value) <= now + AHEAD
  elseif kind == 's' then
    return whole(rest) and tonumber(rest) * SLOT <= now + AHEAD and whole(value)
  end
  local ends = string.match(value, '^%d+ %d+ %d+ (%d+)$')
  return kind == 'e' and ends and tonumber(ends) <= now + LEASE + AHEAD
end
local fields = redis.call('HGETALL', KEYS[3])
-- More than slots and edges can be; so many could not be let go of at once.
local is_foreign = #fields > 8000
for i = 1, #fields, 2 do
  is_foreign = is_foreign or not is_ours(fields[i], fields[i + 1])
end
if is_foreign then
  redis.call('DEL', KEYS[3])
  fields = {}
end
local spent, others, left, mine = 0, 0, 0, nil
local slots, gone = {}, {}
for i = 1, #fields, 2 do
  local name, value = fields[i], fields[i + 1]
  local kind, rest = string.sub(name, 1, 1), string.sub(name, 2)
  if name == 'left' then
    left = left + tonumber(value)
  elseif name == 'lost' then
    born = math.max(born, tonumber(value))
  elseif kind == 's' then
    local at, count = tonumber(rest), tonumber(value)
    -- It leaves when its end is a window ago.
    if (at + 1) * SLOT + WINDOW <= now then
      gone[#gone + 1] = name
      left = left + count
    else
      slots[at] = count
      spent = spent + count
    end
  else
    local last, sum, tokens, ends = string.match(value, '(%d+) (%d+) (%d+) (%d+)')
    if tonumber(ends) + WINDOW + SLOT <= now then
      gone[#gone + 1] = name
    elseif rest == edge then
      mine = { number = tonumber(last), total = tonumber(sum) }
    else
      others = others + tonumber(tokens)
    end
  end
end
if #fields == 0 and ARGV[9] == '1' then
  born = now
  redis.call('HSET', KEYS[3], 'lost', string.format('%.0f', now))
end
if #gone > 0 then
  redis.call('HDEL', KEYS[3], unpack(gone))
  redis.call('HSET', KEYS[3], 'left', string.format('%.0f', left))
end
-- Of no interest to anybody after that: idle keys cost nothing.
local function keep()
  redis.call('PEXPIRE', KEYS[3], WINDOW + SLOT + LEASE + 1000)
end
if mine and number <= mine.number then
  return { 2 }
end
if not mine and ARGV[10] ~= '1' then
  keep()
  return { 1 }
end

-- The newest are those that were not told of before.
local told, fresh = 0, 0
for i = 11, #ARGV, 2 do
  told = told + tonumber(ARGV[i + 1])
end
fresh = told
if mine then
  fresh = total - mine.total
end
local function add(at, count)
  slots[at] = (slots[at] or 0) + count
  spent = spent + count
  fresh = fresh - count
  redis.call('HINCRBY', KEYS[3], 's' .. string.format('%.0f', at), count)
end
for i = 11, #ARGV, 2 do
  local at = math.floor((now - tonumber(ARGV[i])) / SLOT)
  local count = math.min(tonumber(ARGV[i + 1]), fresh)
  if count > 0 then
    if (at + 1) * SLOT + WINDOW > now then
      add(at, count)
    else
      fresh = fresh - count
    end
  end
end

local lease, settles = held, math.max(0, born + SETTLING - now)
local room = limit - spent - others - held
if settles == 0 and room > 0 then
  local served = math.min(waiting, room)
  local edges = math.max(1, redis.call('ZCARD', KEYS[2]))
  -- Ahead of need: no edge keeps much of what is free from the others, nor of the whole.
  local most = math.min(math.floor((room - served) / (2 * edges)), math.floor(limit / (20 * edges)))
  lease = held + served + math.max(0, math.min(ahead, most - held))
end
redis.call('HSET', KEYS[3], 'e' .. edge, string.format('%.0f %.0f %.0f %.0f', number, total, lease, now + LEASE))
keep()

local free, next_in, newest = math.max(0, limit - spent - others - lease), 0, nil
local order = {}
for at in pairs(slots) do
  order[#order + 1] = at
  newest = math.max(newest or at, at)
end
if free == 0 then
  table.sort(order)
  local over = spent + others + lease - limit
  next_in = WINDOW
  for _, at in ipairs(order) do
    over = over - slots[at]
    if over < 0 then
      next_in = (at + 1) * SLOT + WINDOW - now
      break
    end
  end
end
local whole_in = newest and (newest + 1) * SLOT + WINDOW - now or 0
return { 0, lease, free, next_in, whole_in, left, settles }

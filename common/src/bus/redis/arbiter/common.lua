-- What every script of the arbiter begins with. KEYS[1]: the memory. ARGV[1]: now or ''.
-- Whoever writes to Redis can write here: what no script of ours wrote is dropped, and is then as if it was lost.
local AHEAD = 1000
local now = tonumber(ARGV[1])
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end
-- Drops a key that is of another type than ours.
local function claim(key, kind)
  local there = redis.call('TYPE', key).ok
  if there ~= kind and there ~= 'none' then
    redis.call('DEL', key)
  end
end
-- A number as we write them, nil for whatever else.
local function whole(text)
  local number = tonumber(text)
  if number and number >= 0 and number < 1e15 and string.format('%.0f', number) == text then
    return number
  end
end
claim(KEYS[1], 'string')
local born = whole(redis.call('GET', KEYS[1]) or '')
if not born or born > now then
  born = now
  redis.call('SET', KEYS[1], string.format('%.0f', now))
end

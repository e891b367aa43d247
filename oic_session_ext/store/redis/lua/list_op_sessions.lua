#!lua flags=no-writes
-- Returns ids and records of a page of OP sessions, ordered by creation. The session that the page follows may no longer exist.

local key, limit, after_created_at, after_id, created_before = KEYS[1] .. ARGV[1], tonumber(ARGV[2]), ARGV[3], ARGV[4], ARGV[5]

-- Compares bytes, because Lua's own `<` depends on the server's locale.
local function comes_after(text, other)
  for i = 1, math.min(#text, #other) do
    local mine, others = string.byte(text, i), string.byte(other, i)
    if mine ~= others then return mine > others end
  end
  return #text > #other
end

-- Finds the first later session of the same second by binary search, because a million may have been created in it.
local low = redis.call('ZCOUNT', key, '-inf', '(' .. after_created_at)
local high = redis.call('ZCOUNT', key, '-inf', after_created_at)
while low < high do
  local middle = math.floor((low + high) / 2)
  if comes_after(redis.call('ZRANGE', key, middle, middle)[1], after_id) then
    high = middle
  else
    low = middle + 1
  end
end

local stop = math.min(low + limit, redis.call('ZCOUNT', key, '-inf', created_before))
local found = {}
if low < stop then
  for _, id in ipairs(redis.call('ZRANGE', key, low, stop - 1)) do
    found[#found + 1] = {id, redis.call('GET', KEYS[1] .. 's:' .. id)}
  end
end
return found

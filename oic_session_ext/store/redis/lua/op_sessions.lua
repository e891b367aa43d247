#!lua flags=no-writes
-- Returns ids and records of the OP sessions in a range of a sorted set. Arguments: its key, then those of ZRANGE.

local found = {}
for _, id in ipairs(redis.call('ZRANGE', KEYS[1] .. ARGV[1], unpack(ARGV, 2))) do
  found[#found + 1] = {id, redis.call('GET', KEYS[1] .. 's:' .. id)}
end
return found

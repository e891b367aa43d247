#!lua flags=no-writes
-- Returns ids, records and due times of the first notices of each queue. Arguments: how many of each, then the queues' keys.

local found = {}
for _, queue in ipairs({unpack(ARGV, 2)}) do
  local scored = redis.call('ZRANGE', KEYS[1] .. queue, 0, ARGV[1] - 1, 'WITHSCORES')
  for i = 1, #scored, 2 do
    local id = string.sub(scored[i], 14)
    found[#found + 1] = {id, redis.call('GET', KEYS[1] .. 'n:' .. id), scored[i + 1]}
  end
end
return found

#!lua flags=no-writes
-- Returns the id and the record of the OP session of a cookie.

local id = redis.call('GET', KEYS[1] .. 'c:' .. ARGV[1])
return id and {id, redis.call('GET', KEYS[1] .. 's:' .. id)}

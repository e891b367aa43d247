#!lua flags=no-writes
-- Answers the id and the record of the OP session that a cookie names.

local id = redis.call('GET', KEYS[1] .. 'c:' .. ARGV[1])
return id and {id, redis.call('GET', KEYS[1] .. 's:' .. id)}

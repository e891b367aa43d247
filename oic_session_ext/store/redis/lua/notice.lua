#!lua flags=no-writes
-- Returns the record of a notice and its due time.

local record = redis.call('GET', KEYS[1] .. 'n:' .. ARGV[1])
if not record then return false end
local head = cjson.decode(record)
local member = string.format('%012d:', head[7]) .. ARGV[1]
return {record, redis.call('ZSCORE', KEYS[1] .. (head[9] == 'pending' and 'np' or 'nu'), member)}

-- Defers at most `limit` pending notices that are due. Returns their ids and records, earliest due time first.

local now, later, limit = ARGV[1], tonumber(ARGV[2]), ARGV[3]

local leased = {}
for _, member in ipairs(redis.call('ZRANGE', PREFIX .. 'np', '-inf', now, 'BYSCORE', 'LIMIT', 0, limit)) do
  local id = id_of_notice(member)
  local record = get('n:' .. id)
  queue_notice(id, cjson.decode(record), later)
  leased[#leased + 1] = {id, record}
end
flush()
return leased

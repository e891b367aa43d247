-- Removes at most `limit` expired records of one kind; returns their number.

local kind, now, limit = ARGV[1], ARGV[2], ARGV[3]

local queues = {grants = 'ge', ephemerals = 'ee', notices = 'nu'}
local drop = {
  grants = drop_grant,
  ephemerals = function(key)
    set('e:' .. key, false)
    place('ee', key, false)
  end,
  notices = function(member) drop_notice(id_of_notice(member)) end,
}

local expired = redis.call('ZRANGE', PREFIX .. queues[kind], '-inf', now, 'BYSCORE', 'LIMIT', 0, limit)
for _, member in ipairs(expired) do
  drop[kind](member)
end
flush()
return #expired

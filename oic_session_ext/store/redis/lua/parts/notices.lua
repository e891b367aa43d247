-- Logout notices and their indexes.

local NOTICE = {CLIENT_ID = 2, ENDED_AT = 7, STATE = 9}

-- Notices with the same due time are ordered by the end of their session: Redis orders members of equal score by their bytes.
local function queue_notice(id, head, due_at)
  local queue = head[NOTICE.STATE] == 'pending' and 'np' or 'nu'
  local member = string.format('%012d:', head[NOTICE.ENDED_AT]) .. id
  place(queue, member, due_at)
  place(queue .. ':' .. head[NOTICE.CLIENT_ID], member, due_at)
end

local function id_of_notice(member)
  return string.sub(member, 14)
end

local function drop_notice(id)
  local record = get('n:' .. id)
  if record then
    queue_notice(id, cjson.decode(record), false)
    set('n:' .. id, false)
  end
end

local function put_notice(id, due_at, record)
  drop_notice(id)
  queue_notice(id, cjson.decode(record), due_at)
  set('n:' .. id, record)
end

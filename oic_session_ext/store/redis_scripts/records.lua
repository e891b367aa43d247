-- What the writing scripts share: how records are laid out, and a view of the store with changes that are not made yet.
--
-- Redis takes nothing back when a script stops half way. So a script looks at the store through `get` and `members`, which
-- know of its own changes, and only when every condition has held `flush` makes them. Nothing can fail from there on: the
-- shebang line lets the server refuse a script before it begins when memory or disk are full or the server is a replica.
--
-- A record is a JSON array of what scripts and indexes look at (the head), a line feed, and text that is passed through.

local PREFIX = KEYS[1]

-- places in the heads, as redis_records.py writes them
local COOKIE_DIGEST, UID, CREATED_AT, LAST_ACTIVE_AT, IDLE_EXPIRES_AT, EXPIRES_AT, VERSION = 1, 2, 7, 8, 9, 10, 11
local SHARE = {SID = 1, CLIENT_ID = 2}
local GRANT = {OP_SESSION_ID = 4, CREATED_AT = 6, EXPIRES_AT = 7, IS_OFFLINE = 8, REFRESH_DIGEST = 9, VERSION = 10}
local GRANT_INDEXES = {['gc:'] = 1, ['gu:'] = 2, ['gs:'] = 3, ['go:'] = 4, ['gi:'] = 5}
local NOTICE = {CLIENT_ID = 2, ENDED_AT = 7, STATE = 9}

-- --- the view

local texts, changed_texts = {}, {} -- key -> text, or false for none
local changed_scores = {} -- key of a sorted set -> member -> score, or false for none

local function get(key)
  local text = texts[key]
  if text == nil then
    text = redis.call('GET', PREFIX .. key)
    texts[key] = text
  end
  return text
end

local function set(key, text)
  texts[key] = text
  changed_texts[key] = true
end

local function place(key, member, score)
  local scores = changed_scores[key]
  if not scores then
    scores = {}
    changed_scores[key] = scores
  end
  scores[member] = score
end

-- the members of a sorted set whose score is at most `highest`
local function members(key, highest)
  local found = {}
  local changed = changed_scores[key] or {}
  for _, member in ipairs(redis.call('ZRANGE', PREFIX .. key, '-inf', highest, 'BYSCORE')) do
    if changed[member] == nil then found[#found + 1] = member end
  end
  for member, score in pairs(changed) do
    if score and (highest == '+inf' or score <= highest) then found[#found + 1] = member end
  end
  return found
end

local function call_in_portions(command, key, arguments)
  for first = 1, #arguments, 1000 do -- Lua's stack is bounded
    redis.call(command, PREFIX .. key, unpack(arguments, first, math.min(first + 999, #arguments)))
  end
end

local function flush()
  for key in pairs(changed_texts) do
    if texts[key] then
      redis.call('SET', PREFIX .. key, texts[key])
    else
      redis.call('DEL', PREFIX .. key)
    end
  end
  for key, scores in pairs(changed_scores) do
    local placed, removed = {}, {}
    for member, score in pairs(scores) do
      if score then
        placed[#placed + 1] = score
        placed[#placed + 1] = member
      else
        removed[#removed + 1] = member
      end
    end
    call_in_portions('ZADD', key, placed)
    call_in_portions('ZREM', key, removed)
  end
end

-- --- records

local function split(record)
  local at = string.find(record, '\n', 1, true)
  return cjson.decode(string.sub(record, 1, at - 1)), string.sub(record, at + 1)
end

local function joined(head, rest)
  return cjson.encode(head) .. '\n' .. rest
end

-- Let the indexes find a grant by its new head in place of its old one; either may be nil.
local function index_grant(id, old, new)
  for prefix, at in pairs(GRANT_INDEXES) do
    local before, after = old and old[at], new and new[at]
    if before ~= after or old[GRANT.CREATED_AT] ~= new[GRANT.CREATED_AT] then
      if before and before ~= cjson.null then place(prefix .. before, id, false) end
      if after and after ~= cjson.null then place(prefix .. after, id, new[GRANT.CREATED_AT]) end
    end
  end
  place('ge', id, new and new[GRANT.EXPIRES_AT] or false)
end

local function drop_grant(id)
  local record = get('g:' .. id)
  if record then
    index_grant(id, (split(record)), nil)
    set('g:' .. id, false)
  end
end

-- Of equally due notices those come first that ended first: members of a sorted set with one score are in the order of their bytes.
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

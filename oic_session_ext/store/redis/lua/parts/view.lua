-- The first part of every writing script: a view of the store that includes changes which are not written yet.
--
-- Redis does not roll back a script that stops half way. Therefore scripts read the store with `get` and `members`, which
-- include the script's own changes, and `flush` writes them after every condition has held. `flush` cannot fail: because of
-- the shebang line, the server refuses a script before it begins if memory or disk is full or the server is a replica.
--
-- A record is a JSON array that scripts and indexes read (the head), a line feed, and text that scripts copy unread.

local PREFIX = KEYS[1]

local texts, changed_texts = {}, {} -- key -> text, or false for none
local changed_scores = {} -- key of a sorted set -> member -> score, or false for none
local changed_fields, cleared = {}, {} -- key of a hash -> field -> text, or false for none; key of a hash -> whether its other fields are removed

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

local function set_field(key, field, text)
  changed_fields[key] = changed_fields[key] or {}
  changed_fields[key][field] = text
end

local function clear(key)
  cleared[key] = true
  changed_fields[key] = {}
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
  for key in pairs(cleared) do
    redis.call('UNLINK', PREFIX .. key)
  end
  for key, fields in pairs(changed_fields) do
    for field, text in pairs(fields) do
      if text then
        redis.call('HSET', PREFIX .. key, field, text)
      else
        redis.call('HDEL', PREFIX .. key, field)
      end
    end
  end
end

local function split(record)
  local at = string.find(record, '\n', 1, true)
  return cjson.decode(string.sub(record, 1, at - 1)), string.sub(record, at + 1)
end

local function joined(head, rest)
  return cjson.encode(head) .. '\n' .. rest
end

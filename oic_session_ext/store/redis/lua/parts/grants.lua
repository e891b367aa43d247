-- Grants and their indexes.

local GRANT = {OP_SESSION_ID = 4, CREATED_AT = 6, EXPIRES_AT = 7, IS_OFFLINE = 8, REFRESH_DIGEST = 9, VERSION = 10}
local GRANTS_WITHOUT_SESSION = {['gc:'] = 1, ['gu:'] = 2, ['gs:'] = 3, ['gi:'] = 5}

-- Returns the index entries of a grant with their scores: by expiry in its OP session; without a session by each attribute and by expiry.
local function places_of_grant(head)
  local id, expires_at = head[GRANT.OP_SESSION_ID], head[GRANT.EXPIRES_AT]
  if id ~= cjson.null then
    local may_outlive_it = head[GRANT.IS_OFFLINE] and head[GRANT.REFRESH_DIGEST] ~= cjson.null
    return {['go:' .. id] = expires_at, ['gk:' .. id] = may_outlive_it and expires_at or nil}
  end
  local places = {ge = expires_at}
  for prefix, at in pairs(GRANTS_WITHOUT_SESSION) do
    if head[at] ~= cjson.null then places[prefix .. head[at]] = head[GRANT.CREATED_AT] end
  end
  return places
end

-- Replaces the index entries of the old head with those of the new one; either may be nil.
local function index_grant(id, old, new)
  local before, after = old and places_of_grant(old) or {}, new and places_of_grant(new) or {}
  for key in pairs(before) do
    if not after[key] then place(key, id, false) end
  end
  for key, score in pairs(after) do
    if before[key] ~= score then place(key, id, score) end
  end
end

local function drop_grant(id)
  local record = get('g:' .. id)
  if record then
    index_grant(id, (split(record)), nil)
    set('g:' .. id, false)
  end
end

-- Grants and what finds them.

local GRANT = {OP_SESSION_ID = 4, CREATED_AT = 6, EXPIRES_AT = 7, IS_OFFLINE = 8, REFRESH_DIGEST = 9, VERSION = 10}
local GRANTS_WITHOUT_SESSION = {['gc:'] = 1, ['gu:'] = 2, ['gs:'] = 3, ['gi:'] = 5}

-- the sorted sets that a grant is in, but for that of all
local function places_of_grant(head)
  if head[GRANT.OP_SESSION_ID] ~= cjson.null then return {'go:' .. head[GRANT.OP_SESSION_ID]} end
  local keys = {}
  for prefix, at in pairs(GRANTS_WITHOUT_SESSION) do
    if head[at] ~= cjson.null then keys[#keys + 1] = prefix .. head[at] end
  end
  return keys
end

local function differ(old, new, first, last)
  for at = first, last do
    if not (old and new) or old[at] ~= new[at] then return true end
  end
  return false
end

-- Let a grant be found by its new head in place of its old one; either may be nil.
local function index_grant(id, old, new)
  if differ(old, new, 1, GRANT.CREATED_AT) then
    for _, key in ipairs(old and places_of_grant(old) or {}) do
      place(key, id, false)
    end
    for _, key in ipairs(new and places_of_grant(new) or {}) do
      place(key, id, new[GRANT.CREATED_AT])
    end
  end
  if differ(old, new, GRANT.EXPIRES_AT, GRANT.EXPIRES_AT) then
    place('ge', id, new and new[GRANT.EXPIRES_AT] or false)
  end
end

local function drop_grant(id)
  local record = get('g:' .. id)
  if record then
    index_grant(id, (split(record)), nil)
    set('g:' .. id, false)
  end
end

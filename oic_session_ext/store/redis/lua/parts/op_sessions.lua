-- OP sessions and their indexes.

local COOKIE_DIGEST, UID, CREATED_AT, LAST_ACTIVE_AT, IDLE_EXPIRES_AT, EXPIRES_AT, VERSION = 1, 2, 7, 8, 9, 10, 11
local SHARE = {SID = 1, CLIENT_ID = 2, SUB = 3}

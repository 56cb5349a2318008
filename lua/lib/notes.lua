-- Notes for other instances. Needs lib/clock.lua.

local MAILBOX_LENGTH = 10000

-- Leaves a note of fields and values in an instance's mailbox.
local function post(owner, ...)
  local mailbox = prefix .. 'inst:' .. owner .. ':mbox'
  call('XADD', mailbox, 'MAXLEN', '~', MAILBOX_LENGTH, '*', ...)
  call('EXPIRE', mailbox, RECORD_TTL_S)
end

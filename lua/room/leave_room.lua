-- leave_room: takes a session's seat away, unless it moved to another instance; the last one closes
-- KEYS prefix
-- ARGV now int
-- ARGV instance str
-- ARGV code str
-- ARGV session str
-- RETURNS OK room version left_ms data_id seats | GONE data_id
-- INCLUDE lib/clock.lua
-- INCLUDE lib/room.lua

local room = load_room()
if not room then
  return { 'GONE', data_id() }
end
local seat = call('HGET', seats_key, session)
if seat and instance_of(seat) == instance then
  clear(session)
end
if call('EXISTS', seats_key) == 0 then
  local last = state_of(room)
  call('DEL', room_key)
  return last
end
return state_of(room)

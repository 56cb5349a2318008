-- create_room: opens a room under an unused code, with its first member
-- KEYS prefix
-- ARGV now int
-- ARGV instance str
-- ARGV code str
-- ARGV room str
-- ARGV expiry_ms int
-- ARGV session str
-- ARGV seat str
-- RETURNS OK room version left_ms data_id seats | TAKEN
-- INCLUDE lib/clock.lua
-- INCLUDE lib/room.lua

local known = load_room()
if known and known.id ~= room then
  return { 'TAKEN' }
end
known = known or open_room(room, expiry_ms)
seat_at(known, session, seat)
return state_of(known)

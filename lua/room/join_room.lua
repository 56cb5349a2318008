-- join_room: gives a session a seat in a room, or changes the one it has
-- KEYS prefix
-- ARGV now int
-- ARGV instance str
-- ARGV code str
-- ARGV room str
-- ARGV expiry_ms int
-- ARGV max_members int
-- ARGV session str
-- ARGV seat str
-- RETURNS OK room version left_ms data_id seats | FULL | GONE data_id
-- INCLUDE lib/clock.lua
-- INCLUDE lib/room.lua

local known = load_room()
if not known and room ~= '' then
  known = open_room(room, expiry_ms) -- the store has lost it: who has its copy puts it back
end
if not known or known.is_over or (room ~= '' and known.id ~= room) then
  return { 'GONE', data_id() }
end
if call('HEXISTS', seats_key, session) == 0 and call('HLEN', seats_key) >= max_members then
  return { 'FULL' }
end
seat_at(known, session, seat)
return state_of(known)

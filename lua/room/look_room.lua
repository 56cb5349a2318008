-- look_room: who is in the room; notes speech, frees seats of dead instances, ends it without speech
-- KEYS prefix
-- ARGV now int
-- ARGV instance str
-- ARGV code str
-- ARGV spoke_ago_ms int
-- ARGV grace_ms int
-- RETURNS OK room version left_ms data_id seats | EXPIRED | GONE data_id
-- INCLUDE lib/clock.lua
-- INCLUDE lib/room.lua

if spoke_ago_ms >= 0 then
  local spoke = tonumber(call('HGET', room_key, 'spoke') or 'inf')
  if now - spoke_ago_ms > spoke then
    call('HSET', room_key, 'spoke', int(now - spoke_ago_ms))
  end
end
local room = load_room()
if not room then
  return { 'GONE', data_id() }
end
if room.is_over then
  call('DEL', room_key, seats_key)
  return { 'EXPIRED' }
end
keep(room.left_ms)

-- Members of an instance that died may come back elsewhere for as long as their grace lasts.
-- Bounded by the members that a room may have.
local seats = call('HGETALL', seats_key)
for i = 1, #seats, 2 do
  local session, mark = seats[i], 'lost:' .. seats[i]
  if call('EXISTS', prefix .. 'inst:' .. instance_of(seats[i + 1])) == 1 then
    call('HDEL', room_key, mark)
  else
    call('HSETNX', room_key, mark, now_text)
    if tonumber(call('HGET', room_key, mark)) + grace_ms <= now then
      clear(session)
    end
  end
end
return state_of(room)

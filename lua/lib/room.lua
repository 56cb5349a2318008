-- A room: its record and its seats. Needs lib/clock.lua and `code`.

local OVER_TTL_MS = 60000 -- a room that is over can be distinguished from one that never was

local room_key = prefix .. 'room:' .. code
local seats_key = room_key .. ':seats'

-- A seat is kept as `instance json`: the script needs the instance only.
local function instance_of(seat)
  return string.match(seat, '^(%S*) ')
end

-- The room; nil where there is none, or it had no speech for too long.
local function load_room()
  local room = call('HMGET', room_key, 'id', 'spoke', 'expiry_ms')
  if not room[1] then
    return nil
  end
  local left_ms = tonumber(room[2]) + tonumber(room[3]) - now
  return { id = room[1], left_ms = left_ms, is_over = left_ms <= 0 }
end

local function keep(left_ms)
  for _, key in ipairs({ room_key, seats_key }) do
    call('PEXPIRE', key, int(left_ms + OVER_TTL_MS))
  end
end

local function open_room(id, expiry_ms)
  call('DEL', room_key, seats_key)
  call('HSET', room_key, 'id', id, 'spoke', now_text, 'expiry_ms', int(expiry_ms), 'version', 0)
  return { id = id, left_ms = expiry_ms, is_over = false }
end

-- Gives the session this seat, or another one.
local function seat_at(room, session, seat)
  if call('HGET', seats_key, session) ~= seat then
    call('HSET', seats_key, session, seat)
    call('HINCRBY', room_key, 'version', 1)
  end
  call('HDEL', room_key, 'lost:' .. session)
  keep(room.left_ms)
end

local function clear(session)
  call('HDEL', seats_key, session)
  call('HDEL', room_key, 'lost:' .. session)
  call('HINCRBY', room_key, 'version', 1)
end

local function data_id()
  return call('GET', prefix .. 'gen') or ''
end

local function state_of(room)
  return { 'OK', room.id, tonumber(call('HGET', room_key, 'version') or '0'),
    tonumber(int(room.left_ms)), data_id(), call('HGETALL', seats_key) }
end

-- record_guest: remembers at home that a session is a guest of another cell
-- KEYS prefix
-- ARGV instance str
-- ARGV session str
-- ARGV epoch str
-- ARGV cell str
-- RETURNS OK | FENCED

local key = prefix .. 'session:' .. session
local known = redis.call('HMGET', key, 'epoch', 'guest_of')
if known[1] ~= epoch then
  return { 'FENCED' }
end
local guest_of = known[2] or ''
if not string.find(' ' .. guest_of .. ' ', ' ' .. cell .. ' ', 1, true) then
  redis.call('HSET', key, 'guest_of', guest_of == '' and cell or guest_of .. ' ' .. cell)
end
return { 'OK' }

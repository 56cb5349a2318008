-- lend_job: takes a waiting job, with what waits of its turn, out of this cell: another has a slot
-- KEYS prefix
-- ARGV now int
-- ARGV instance str
-- ARGV job str
-- ARGV attempt int
-- ARGV cell str
-- RETURNS OK along
-- RETURNS DUPLICATE job state attempt node instance epoch due_ms turned
-- RETURNS STALE attempt | GONE
-- INCLUDE lib/clock.lua
-- INCLUDE lib/slot.lua
-- INCLUDE lib/turn_slot.lua
-- INCLUDE lib/job_head.lua
-- INCLUDE lib/job.lua
-- INCLUDE lib/tenant.lua
-- INCLUDE lib/queue.lua

local leaving = load_job(job)
if not leaving then
  local pointer = call('HMGET', prefix .. 'job:' .. job, 'cell', 'along')
  if pointer[1] == cell then
    return { 'OK', pointer[2] or '' }
  end
  return { 'GONE' }
end
if leaving.attempt ~= attempt or leaving.owner ~= instance then
  return { 'STALE', leaving.attempt }
end
if leaving.state ~= 'queued' or leaving.pin ~= '' then
  return describe('DUPLICATE', leaving) -- it has a place here by now, or waits for one in particular
end

-- Leaves in the record's place where the job has gone.
local function leave(left, along)
  local record = prefix .. 'job:' .. left.id
  dequeue(left)
  call('ZREM', prefix .. 'inst:' .. left.owner .. ':jobs', left.id)
  call('SREM', prefix .. 'session:' .. left.session .. ':jobs', left.id)
  call('ZREM', prefix .. 'jobs:queued', left.id)
  call('DEL', record)
  call('HSET', record, 'cell', cell, 'along', along)
  call('EXPIRE', record, RECORD_TTL_S)
end

local along = leaving.turned and without(waiting_in_turn(leaving.slot), job) or ''
leave(leaving, along)
for id in string.gmatch(along, '%S+') do
  local other = load_job(id)
  if other and other.state == 'queued' then
    leave(other, '')
  end
end
if leaving.turned then
  call('HSET', prefix .. 'turn:' .. leaving.slot, 'cell', cell)
  call('EXPIRE', prefix .. 'turn:' .. leaving.slot, RECORD_TTL_S)
end
return { 'OK', along }

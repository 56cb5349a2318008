-- borrow_node: gives a job that waits in another cell a slot in this one; it never waits here
-- KEYS prefix
-- ARGV now int
-- ARGV instance str
-- ARGV job str
-- ARGV request str
-- ARGV session str
-- ARGV session_epoch str
-- ARGV cut int
-- ARGV index str
-- ARGV language str
-- ARGV source str
-- ARGV requirement str
-- ARGV preference str
-- ARGV turn str
-- ARGV part str
-- ARGV continues str
-- ARGV tenant str
-- ARGV weight int
-- ARGV slots_cap int
-- ARGV trace str
-- ARGV cost_ms int
-- ARGV deadline_ms int
-- ARGV attempt int
-- ARGV excluded str
-- ARGV job_ms int
-- RETURNS ASSIGNED job attempt node instance epoch due_ms turned handovers
-- RETURNS DUPLICATE job state attempt node instance epoch due_ms turned
-- RETURNS NO_NODE | MOVED | FENCED
-- INCLUDE lib/clock.lua
-- INCLUDE lib/node.lua
-- INCLUDE lib/slot.lua
-- INCLUDE lib/turn_slot.lua
-- INCLUDE lib/job_head.lua
-- INCLUDE lib/job.lua
local session_state = '' -- kept at home
-- INCLUDE lib/record.lua
-- INCLUDE lib/create.lua
-- INCLUDE lib/choice.lua
-- INCLUDE lib/tenant.lua
-- INCLUDE lib/queue.lua
-- INCLUDE lib/turn.lua
local pending_ms, turn_wait_ms = 0, 0
-- INCLUDE lib/place.lua
-- INCLUDE lib/notes.lua
-- INCLUDE lib/stream.lua
-- INCLUDE lib/reclaim.lua

local reply = claim_request(true)
if reply then
  return reply
end
local record = prefix .. 'job:' .. job
local new = new_job(attempt)
new.excluded = excluded
local node = find_place(new)
if not node and make_room(new, excluded) then
  node = find_place(new)
end
if not node then
  if call('EXISTS', record) == 0 then -- else it was lent from here, and the request must be found
    call('DEL', prefix .. 'req:' .. request)
  end
  return { 'NO_NODE' }
end
take_back()
return create_assigned(new, node)

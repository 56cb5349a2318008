-- dispatch_task: binds a request to one job, and gives it a slot or a place in the queue
-- KEYS prefix
-- ARGV now int
-- ARGV instance str
-- ARGV job str
-- ARGV request str
-- ARGV session str
-- ARGV session_epoch str
-- ARGV session_state str
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
-- ARGV pending_ms int
-- ARGV job_ms int
-- ARGV turn_wait_ms int
-- ARGV max_queued int
-- ARGV max_queued_per_session int
-- ARGV streamed int
-- RETURNS ASSIGNED job attempt node instance epoch due_ms turned handovers
-- RETURNS QUEUED job attempt position wait_ms due_ms handovers
-- RETURNS DUPLICATE job state attempt node instance epoch due_ms turned
-- RETURNS LENT cell | BUSY | MOVED | FENCED
-- FUNCTION
-- INCLUDE lib/clock.lua
-- INCLUDE lib/node.lua
-- INCLUDE lib/slot.lua
-- INCLUDE lib/record.lua

-- Nearly always it is no segment of a turn, and its session's last node has a free slot: then the
-- rest of the script is not even set up.
-- What was streamed has its node already.
if streamed == 0 and part == '0' and continues ~= '1' then
  local refusal = enter_session()
  if refusal then
    return refusal
  end
  local usual = (slots_cap == 0 or not is_at_cap(new_job(1))) and usual_node('')
  if usual and call('SET', prefix .. 'req:' .. request, job, 'NX', 'EX', RECORD_TTL_S) then
    local lone = new_job(1)
    lone.due = math.min(now + job_ms, lone.deadline)
    write_record(lone, 'assigned', usual.id, 'assigned_at')
    place_node(usual, usual.used + occupy(usual, lone))
    return { 'ASSIGNED', job, 1, usual.id, usual.owner, usual.epoch, lone.due - now, 0, {} }
  end
end

-- INCLUDE lib/turn_slot.lua
-- INCLUDE lib/job_head.lua
-- INCLUDE lib/job.lua
-- INCLUDE lib/create.lua

local reply = claim_request(false)
if reply then
  return reply
end
-- INCLUDE lib/stream.lua
-- INCLUDE lib/keep_stream.lua
if streamed > 0 then
  reply = keep_stream()
  if reply then
    return reply
  end
end
local new = new_job(1 + streamed)
local may_take = not is_at_cap(new)
local node = may_take and not new.turned and usual_node('')
if node then
  return create_assigned(new, node)
end

-- INCLUDE lib/choice.lua
if may_take and not new.turned then
  node = choose_node(requirement, preference, '', session_record.slow)
  if node then
    return create_assigned(new, node)
  end
end

-- INCLUDE lib/tenant.lua
-- INCLUDE lib/queue.lua
-- INCLUDE lib/turn.lua
-- INCLUDE lib/place.lua
node = new.turned and find_place(new)
if node then
  return create_assigned(new, node)
end
-- INCLUDE lib/notes.lua
-- INCLUDE lib/reclaim.lua
local pin = new.pin ~= '' and new.pin or nil
local made_room = call('EXISTS', prefix .. 'qs') == 0 and make_room(new, exclusion(new), pin)
if made_room and call('EXISTS', prefix .. 'pin:' .. made_room.id) == 0 then
  node = find_place(new)
  if node then
    return create_assigned(new, node)
  end
end
if is_queue_full(tenant, max_queued)
  or call('ZCARD', session_key .. ':queued') >= max_queued_per_session
then
  call('DEL', prefix .. 'req:' .. request)
  return { 'BUSY' }
end
reply = create_queued(new)
made_room = made_room or make_room(new, exclusion(new), pin)
if made_room then -- others wait, too: it goes to whoever is first
-- INCLUDE lib/handover.lua
  serve(made_room)
  reply[#reply] = handed
end
return reply

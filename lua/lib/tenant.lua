-- Tenants that wait. Needs lib/clock.lua, slot.
--
-- Between tenants it is start-time fair queueing by weight: a tenant's virtual time goes on by the
-- audio that others let pass for it, over its weight; `vtime` is the time of whoever was served last,
-- where a tenant begins that did not wait. So what nobody else wanted is never paid for. Who waits
-- for what is not to be had keeps a claim of `MAX_CREDIT_MS` at most.
--
-- A tenant that may use no more slots is parked: it stands in no queue until one is freed, and
-- `tenant:{id}:parked` has the queues it is to stand in.

local MAX_CREDIT_MS = 10000
local MAX_LEAD_MS = 10000 -- of a tenant before `vtime`: a long turn is served as one
local PART = 4 -- a tenant beside others may fill the fourth part of the queue, and always that
local CLOCK_TTL_S = 600 -- shorter than that of `vtime`: no tenant's time is kept longer

local function of_tenant(tenant, what)
  return prefix .. 'tenant:' .. tenant .. ':' .. what
end

local function common_clock()
  return tonumber(call('GET', prefix .. 'vtime') or '0')
end

local function tenant_clock(tenant)
  return tonumber(call('GET', of_tenant(tenant, 'clock')) or '0')
end

local function set_tenant_clock(tenant, clock)
  call('SET', of_tenant(tenant, 'clock'), int(clock), 'EX', CLOCK_TTL_S)
end

-- Where a tenant stands that has something to wait for, now or besides.
local function tenant_time(tenant, was_waiting)
  local clock = tenant_clock(tenant)
  local least = common_clock() - (was_waiting and MAX_CREDIT_MS or 0)
  if clock < least then
    clock = least
    set_tenant_clock(tenant, clock)
  end
  return clock
end

-- A slot that others wait for, too, has gone to the job's tenant.
local function charge_tenant(job)
  local others = call('ZCARD', prefix .. 'jobs:queued') - call('SCARD', of_tenant(job.tenant, 'queued'))
  if others <= 0 then
    return
  end
  local clock = tenant_clock(job.tenant)
  local common = math.max(common_clock(), clock)
  local ends = clock + math.max(1, job.cost / job.weight)
  call('SET', prefix .. 'vtime', int(common), 'EX', RECORD_TTL_S)
  set_tenant_clock(job.tenant, math.min(ends, common + MAX_LEAD_MS))
end

-- Whether no further job of the tenant may wait: who has less waiting than a part of the whole finds a
-- place, also where another has filled it.
local function is_queue_full(tenant, most)
  local all = call('ZCARD', prefix .. 'jobs:queued')
  local own = call('SCARD', of_tenant(tenant, 'queued'))
  if own * PART >= most then
    return all >= most or all > own
  end
  return all * PART >= most * (PART + 1)
end

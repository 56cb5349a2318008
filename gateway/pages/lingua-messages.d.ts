// The messages of Lingua. Made from the protocol's models by `python -m cli.description`.

/** The answer to a command. */
export interface AdminAck {
  type: "admin_ack";
  request_id: string | number;
  ok: boolean;
  /** Why it was not done, for people. */
  error?: string;
  /** What was asked for: `sessions`, `nodes` or `jobs`, each a list; what `forget` erased. */
  data?: Record<string, unknown>;
}

/** The live view, to subscribers; a later one replaces it. */
export interface AdminUpdate {
  type: "admin_update";
  at_ms: number;
  /** As `/api/v1/stats`. */
  stats: Record<string, unknown>;
  /** As `/api/v1/cluster`. */
  cluster: Record<string, unknown>;
}

/** Text recognised so far; a later one of the same utterance replaces it. */
export interface AsrPartial {
  type: "asr_partial";
  session_id: string;
  utterance_index: number;
  job_id?: string;
  text: string;
  /** Extension: the translation so far, of nodes that translate while somebody speaks. */
  text_translated?: string;
  /** Extension: how much of `text` will not change any more, in characters from its beginning. */
  stable_chars?: number;
  is_final: boolean;
  trace_id?: string;
  /** Extension, in rooms: whose words these are. They have no index of this member's own before they are cut: until then it is the one that its next utterance would have. */
  speaker_session_id?: string;
  /** Extension, in rooms: the speaker's own index. */
  speaker_utterance_index?: number;
}

/** Extension, with `resume`: audio before `next_seq` may be forgotten. */
export interface AudioAck {
  type: "audio_ack";
  session_id: string;
  next_seq: number;
}

/** A piece of audio in the order of speech, or the mark that an utterance ends. No reply. */
export interface AudioChunk {
  type: "audio_chunk";
  session_id: string;
  seq: number;
  is_final: boolean;
  /** Opus packets behind their lengths, or PCM16 little-endian mono. Goes to the session. */
  payload?: string;
  client_timestamp_ms?: number | null;
}

/** How speech is encoded. */
export type AudioFormat = "opus" | "pcm16";

/** Send less for a while. */
export interface Backpressure {
  type: "backpressure";
  /** The scheduler sends PAUSE alone: some clients never recover from the others. */
  action: "BUSY" | "PAUSE" | "SLOW_DOWN";
  resume_after_ms?: number;
  message?: string;
}

/** End a job without a result. */
export interface CancelJob {
  /** The sender's own; comes back in the answer. */
  request_id: string | number;
  type: "cancel_job";
  job_id: string;
}

/** Answered by `server_heartbeat` at once. */
export interface ClientHeartbeat {
  type: "client_heartbeat";
  session_id: string;
  timestamp: number | null;
  /** Extension: outcomes up to this one need not be kept for a resume. */
  last_delivery_seq?: number | null;
}

/** End a session as if its client had closed it. */
export interface CloseSession {
  /** The sender's own; comes back in the answer. */
  request_id: string | number;
  type: "close_session";
  /** Its `session_ref`: nobody but its client knows its id. */
  session_id: string;
}

/** What a client may say of its stream (extension): raw audio, or what it is wrapped in. */
export type DeclaredFormat = "opus" | "pcm16" | "mulaw" | "alaw" | "f32le" | "wav" | "webm" | "ogg" | "mp4" | "mp3" | "flac";

/** Give a node no new work. */
export interface DrainNode {
  /** The sender's own; comes back in the answer. */
  request_id: string | number;
  type: "drain_node";
  node_id: string;
}

/** Who ends utterances. */
export type EndpointingMode = "auto" | "server" | "client";

/** Codes of `error`, `room_error`, `ui_event` ERROR and of a refused registration. */
export type ErrorCode = "INVALID_MESSAGE" | "INVALID_SESSION" | "INTERNAL_ERROR" | "SESSION_CLOSED" | "UNSUPPORTED_FEATURE" | "UNSUPPORTED_AUDIO" | "INVALID_PAIRING_CODE" | "RATE_LIMITED" | "NO_AVAILABLE_NODE" | "NODE_UNAVAILABLE" | "NODE_OVERLOADED" | "MODEL_NOT_AVAILABLE" | "MODEL_LOAD_FAILED" | "MODEL_VERIFY_FAILED" | "MODEL_CORRUPTED" | "PROCESSING_ERROR" | "JOB_TIMEOUT" | "NMT_TIMEOUT" | "TTS_TIMEOUT" | "WS_DISCONNECTED" | "SCHEDULER_DEPENDENCY_DOWN" | "NO_GPU_AVAILABLE" | "NODE_ID_CONFLICT" | "NODE_ID_IN_USE" | "INVALID_CAPABILITY_SCHEMA" | "ROOM_NOT_FOUND" | "ALREADY_IN_ROOM" | "INVALID_ROOM_CODE" | "ROOM_FULL";

/** What went wrong, inside another message. */
export interface ErrorDetail {
  code: string;
  message?: string;
}

/** The client's own message or request failed. Never for the failure of one utterance. */
export interface ErrorMessage {
  type: "error";
  /** An `ErrorCode`, or a code of the node's own. */
  code: string;
  message: string;
  details?: Record<string, unknown>;
  trace_id?: string;
}

/** What a client asks for beyond translation, or a node offers. */
export interface Features {
  emotion_detection?: boolean | null;
  voice_style_detection?: boolean | null;
  speech_rate_detection?: boolean | null;
  speech_rate_control?: boolean | null;
  speaker_identification?: boolean | null;
  persona_adaptation?: boolean | null;
}

/** End a session, or all of a tenant, at once, and erase what is kept of them. */
export interface Forget {
  /** The sender's own; comes back in the answer. */
  request_id: string | number;
  type: "forget";
  /** A `session_ref`; absent: all sessions of the tenant. */
  session_id?: string | null;
  tenant_id?: string | null;
}

/** The node took the job. Optional: most nodes never send it. */
export interface JobAck {
  job_id: string;
  attempt_id?: number | null;
  node_id?: string | null;
  session_id?: string | null;
  trace_id?: string | null;
  type: "job_ack";
}

/** One utterance to recognise, translate and speak; answered by `job_result` or by nothing. `job_id` and (`session_id`, `utterance_index`) are used once per node, see `NodeJobId`. A `session_id` is that of one turn, `utterance_index` the place of the segment in it. Jobs of one turn come in the order of speech. */
export interface JobAssign {
  type: "job_assign";
  job_id: string;
  attempt_id: number;
  session_id: string;
  utterance_index: number;
  /** `auto`: the node recognises it. */
  src_lang: string;
  tgt_lang: string;
  dialect?: string;
  features?: Features;
  pipeline: Pipeline;
  /** In `audio_format`; the node owns it. */
  audio: string;
  audio_format: AudioFormat;
  /** Hertz. */
  sample_rate: number;
  /** Extension: `audio` is empty and comes in binary frames, until `job_end`. */
  streaming?: boolean;
  mode?: string;
  lang_a?: string;
  lang_b?: string;
  auto_langs?: ReadonlyArray<string>;
  enable_streaming_asr?: boolean;
  partial_update_interval_ms?: number;
  trace_id?: string;
  group_id?: string;
  part_index?: number;
  /** What was spoken before in the same group. */
  context_text?: string;
  /** Extension: words that the recogniser should expect. */
  hints?: ReadonlyArray<string>;
  /** Only to a node that registered this voice for the target language. */
  voice_id?: string;
  /** Extension: W3C Trace Context of the client. */
  traceparent?: string;
  /** Silence that the recogniser appends. */
  padding_ms?: number;
  /** What was said is complete, whoever cut it: nothing of it is to be held back. */
  is_manual_cut?: boolean;
  /** The turn goes on: the node may hold these words back until its next segment. */
  is_max_duration_triggered?: boolean;
  /** Segments of one turn are recognised together. */
  turn_id?: string;
  /** Extension: the same for all that one session says, for nodes that adapt to a voice. */
  speaker_key?: string;
  /** Extension: why it was cut, as in `CutReason`. */
  cut_reason?: string;
}

/** The result is no longer wanted. The node may send it all the same. */
export interface JobCancel {
  type: "job_cancel";
  job_id: string;
  trace_id?: string;
  reason?: string;
}

/** Extension: all audio of a job that was streamed is there; from now on its result is due. */
export interface JobEnd {
  type: "job_end";
  job_id: string;
  attempt_id: number;
  /** How many came, numbered from 0. */
  frames: number;
  /** Length of their audio. */
  duration_ms: number;
  /** Silence that the recogniser appends. */
  padding_ms?: number;
  /** What ended the utterance: `manual`, `endpoint`, `pause`, `max_turn` or `session_close`. */
  cut_reason: string;
  is_manual_cut?: boolean;
}

/** Why a node could not do a job. */
export interface JobError {
  /** MODEL_NOT_AVAILABLE, PROCESSING_ERROR, or a code of the node's own. */
  code: string;
  message?: string;
  details?: Record<string, unknown> | null;
}

/** The end of a job at a node. A node may also answer an assignment with nothing at all. */
export interface JobResult {
  type: "job_result";
  job_id: string;
  success: boolean;
  /** Echoed, sometimes from another job: never used to match. */
  attempt_id?: number | null;
  node_id?: string | null;
  session_id?: string | null;
  utterance_index?: number | null;
  text_asr?: string;
  text_translated?: string;
  /** Base64 speech; passed on unparsed. */
  tts_audio?: string;
  tts_format?: string;
  /** Diagnostics of the node; passed on as they are. */
  extra?: Record<string, unknown> | null;
  processing_time_ms?: number | null;
  trace_id?: string | null;
  asr_quality_level?: string | null;
  reason_codes?: ReadonlyArray<string> | null;
  quality_score?: number | null;
  rerun_count?: number | null;
  segments_meta?: Record<string, unknown> | null;
  group_id?: string | null;
  part_index?: number | null;
  node_completed_at_ms?: number | null;
  /** With `success` false. */
  error?: JobError | null;
}

/** The node began with the job. Optional. */
export interface JobStarted {
  job_id: string;
  attempt_id?: number | null;
  node_id?: string | null;
  session_id?: string | null;
  trace_id?: string | null;
  type: "job_started";
}

/** The languages of a node's running services; absent lists are empty. */
export interface LanguageCapabilities {
  /** Recognises these. */
  asr_languages?: ReadonlyArray<string> | null;
  /** Translates into these. */
  semantic_languages?: ReadonlyArray<string> | null;
  /** Speaks these. */
  tts_languages?: ReadonlyArray<string> | null;
  semantic_core_ready?: boolean | null;
}

/** Which language was heard; the mobile client shows it. */
export interface LanguageDetected {
  type: "language_detected";
  session_id: string;
  lang: string;
  confidence: number;
}

/** Say which jobs there are, the latest first. */
export interface ListJobs {
  /** The sender's own; comes back in the answer. */
  request_id: string | number;
  type: "list_jobs";
  /** Absent: those that are not final. */
  state?: string | null;
}

/** Say which nodes there are, on all instances. */
export interface ListNodes {
  /** The sender's own; comes back in the answer. */
  request_id: string | number;
  type: "list_nodes";
}

/** Say which sessions there are, on all instances. */
export interface ListSessions {
  /** The sender's own; comes back in the answer. */
  request_id: string | number;
  type: "list_sessions";
}

/** Why an utterance ends without a translation. Each utterance has exactly one outcome. */
export type MissingReason = "silence_detected" | "merged" | "no_available_node" | "queue_full" | "job_timeout" | "node_lost" | "instance_lost" | "model_not_available" | "processing_error" | "session_closed" | "cancelled" | "store_unavailable";

/** The outcome of an utterance that has no translation. */
export interface MissingResult {
  type: "missing_result";
  session_id: string;
  utterance_index: number;
  reason: MissingReason;
  created_at_ms: number;
  trace_id?: string;
  tgt_lang?: string;
  speech_start_ms?: number;
  speech_end_ms?: number;
  delivery_seq?: number;
  late?: boolean;
  speaker_session_id?: string;
  speaker_utterance_index?: number;
}

/** How long a job's messages travelled, in ms; a leg nobody could measure is absent. */
export interface NetworkTimings {
  web_to_scheduler_ms?: number;
  scheduler_to_node_ms?: number;
  node_to_scheduler_ms?: number;
  scheduler_to_web_ms?: number;
}

/** Text recognised so far of a job in hand; most nodes never send it. */
export interface NodeAsrPartial {
  type: "asr_partial";
  job_id: string;
  node_id?: string | null;
  session_id?: string | null;
  utterance_index?: number | null;
  text: string;
  /** Extension: the translation so far. */
  text_translated?: string | null;
  /** Extension: how much of `text` will not change any more, in characters from its beginning. */
  stable_chars?: number | null;
  is_final: boolean;
  trace_id?: string | null;
}

/** An instruction to the node as a whole; a node may ignore it. */
export interface NodeControl {
  type: "node_control";
  /** `drain`: finish what is open, expect nothing more. */
  command: string;
  reason?: string;
}

/** Something is wrong at the node that belongs to no job. */
export interface NodeError {
  type: "node_error";
  node_id?: string | null;
  code: string;
  message?: string;
  details?: Record<string, unknown> | null;
}

/** Sign of life with load and languages. No reply. May come before `node_register`. */
export interface NodeHeartbeat {
  type: "node_heartbeat";
  node_id: string;
  timestamp?: number | null;
  resource_usage?: ResourceUsage | null;
  installed_models?: ReadonlyArray<Record<string, unknown>> | null;
  installed_services?: ReadonlyArray<Record<string, unknown>> | null;
  capability_by_type?: ReadonlyArray<Record<string, unknown>> | null;
  language_capabilities?: LanguageCapabilities | null;
  rerun_metrics?: Record<string, unknown> | null;
  processing_metrics?: Record<string, unknown> | null;
}

/** A node's first message on a connection; always answered by `node_register_ack`. */
export interface NodeRegister {
  type: "node_register";
  /** Absent: the node takes the id of the ack. */
  node_id?: string | null;
  version?: string;
  capability_schema_version?: string | null;
  platform?: string;
  /** `{cpu_cores, memory_gb, gpus[]}`. */
  hardware?: Record<string, unknown> | null;
  installed_models?: ReadonlyArray<Record<string, unknown>> | null;
  installed_services?: ReadonlyArray<Record<string, unknown>> | null;
  capability_by_type?: ReadonlyArray<Record<string, unknown>> | null;
  features_supported?: Features | null;
  accept_public_jobs?: boolean | null;
  language_capabilities?: LanguageCapabilities | null;
  /** Extension: the voices that may be asked for, by language. */
  tts_voices?: Record<string, unknown> | null;
  /** Extension: the formats of audio that the node reads; absent: all of them. */
  audio_formats?: ReadonlyArray<AudioFormat> | null;
  /** Extension: how many jobs the node works on at a time; turns, where it joins them. */
  max_concurrent_jobs?: number | null;
  /** Extension: the node takes a job while its utterance is being spoken, in binary frames. */
  streaming?: boolean | null;
  /** Extension: it puts the segments of a turn together. Else each comes as a whole. */
  joins_turns?: boolean | null;
}

/** The answer to `node_register`: a node is mute until it has its id. */
export interface NodeRegisterAck {
  type: "node_register_ack";
  /** The id to use from now on; absent when the registration is refused. */
  node_id?: string;
  message?: string;
  status?: string;
  /** Set when the registration is refused. */
  error?: ErrorDetail;
}

/** The stages that a job runs through. */
export interface Pipeline {
  use_asr: boolean;
  use_nmt: boolean;
  use_tts: boolean;
  use_semantic?: boolean;
  use_tone?: boolean;
  use_phonetic?: boolean | null;
  use_lexicon?: boolean | null;
}

/** Extension: this instance shuts down; come back after a while. */
export interface Reconnect {
  type: "reconnect";
  after_ms: number;
  reason: string;
}

/** A node's load. */
export interface ResourceUsage {
  cpu_percent?: number | null;
  /** 0 where it is not known. */
  gpu_percent?: number | null;
  gpu_mem_percent?: number | null;
  mem_percent?: number | null;
  running_jobs?: number | null;
  /** Above 0: the node asks for no new work. */
  gpu_queue_length?: number | null;
}

/** Client to server: open a room. Answered by `room_create_ack`, then `room_members`. */
export interface RoomCreate {
  type: "room_create";
  client_ts: number | null;
  display_name?: string | null;
  /** What this member wants to hear; absent: its own source language. */
  preferred_lang?: string | null;
}

/** Server to client: you are in; always before the first `room_members`. */
export interface RoomCreateAck {
  type: "room_create_ack";
  /** Six decimal digits. */
  room_code: string;
  room_id?: string;
  /** Extension, to a client that plays PCM16 only: the format in which speech will come. `opus` where this server cannot decode it. */
  tts_format?: string;
}

/** Server to client: a room request failed. */
export interface RoomError {
  type: "room_error";
  code: ErrorCode;
  message?: string;
}

/** Server to every member: the room is gone. */
export interface RoomExpired {
  type: "room_expired";
  room_code: string;
  message: string;
}

/** Client to server: enter a room. Answered by `room_create_ack` and `room_members`. */
export interface RoomJoin {
  type: "room_join";
  room_code: string;
  display_name?: string | null;
  preferred_lang?: string | null;
}

/** Client to server: leave. The others hear `room_members`. */
export interface RoomLeave {
  type: "room_leave";
  room_code: string;
}

/** One session in a room. */
export interface RoomMember {
  /** The same as `session_id`. */
  participant_id: string;
  session_id: string;
  display_name?: string;
  preferred_lang?: string;
  /** Speaker's session id to whether this member wants its raw voice. */
  raw_voice_preferences?: Record<string, boolean>;
  /** RFC 3339, or a number by older servers. */
  joined_at: string | number;
}

/** Server to every member: who is in the room now. */
export interface RoomMembers {
  type: "room_members";
  room_code: string;
  members: ReadonlyArray<RoomMember>;
}

/** Client to server: whether this member wants the untranslated voice of another. */
export interface RoomRawVoicePreference {
  type: "room_raw_voice_preference";
  room_code: string;
  /** The speaker. */
  target_session_id: string;
  receive_raw_voice: boolean;
}

/** The answer to `client_heartbeat`. */
export interface ServerHeartbeat {
  type: "server_heartbeat";
  session_id: string;
  timestamp: number;
}

/** How long a node's stages took, in ms. */
export interface ServiceTimings {
  asr_ms?: number;
  nmt_ms?: number;
  tts_ms?: number;
  total_ms?: number;
}

/** The end of a session; answered by `session_close_ack` after its last outcome. */
export interface SessionClose {
  type: "session_close";
  session_id: string;
  reason?: string;
}

/** The answer to `session_close`, after the session's last outcome. */
export interface SessionCloseAck {
  type: "session_close_ack";
  session_id: string;
}

/** The first message; answered by `session_init_ack`. A further one starts another session. The fields from `audio_format` on are extensions: no client has to send them. */
export interface SessionInit {
  type: "session_init";
  client_version: string;
  /** `web`, `ios`, `android` or `api-gateway`; others are taken as well. */
  platform: string;
  src_lang: string;
  tgt_lang: string;
  dialect?: string | null;
  features?: Features | null;
  pairing_code?: string | null;
  tenant_id?: string | null;
  mode?: SessionMode | null;
  lang_a?: string | null;
  lang_b?: string | null;
  auto_langs?: ReadonlyArray<string> | null;
  enable_streaming_asr?: boolean | null;
  partial_update_interval_ms?: number | null;
  trace_id?: string | null;
  /** Absent: known from the framing of each chunk. */
  audio_format?: DeclaredFormat | null;
  sample_rate?: number | null;
  channels?: number | null;
  use_binary_frame?: boolean | null;
  /** How speech shall come, in rooms and outside. Absent: as the node sent it, but to platform `web` in a room as `pcm16`, which is all that some pages play there. */
  tts_format?: AudioFormat | null;
  /** Another name of `tts_format`, which counts where both are there. */
  room_tts_format?: AudioFormat | null;
  tgt_langs?: ReadonlyArray<string> | null;
  /** What streamed audio runs through; absent: all. Without `use_tts` there is no speech. */
  pipeline?: Pipeline | null;
  hints?: ReadonlyArray<string> | null;
  voice?: string | null;
  /** W3C Trace Context, passed on to nodes. */
  traceparent?: string | null;
  /** Who ends utterances; absent: `auto`. */
  endpointing?: EndpointingMode | null;
  /** Keep what is needed to go on after a lost socket. */
  resume?: boolean | null;
  /** With `resume_token`: the session to go on with. */
  session_id?: string | null;
  resume_token?: string | null;
  /** The last outcome received; those after it are sent again. */
  last_delivery_seq?: number | null;
}

/** The answer to `session_init`, and the first frame out for the session. */
export interface SessionInitAck {
  type: "session_init_ack";
  session_id: string;
  /** Extension: what logs, reports and operators call the session; it is no secret. */
  session_ref?: string;
  assigned_node_id?: string;
  message?: string;
  trace_id?: string;
  protocol_version?: string;
  use_binary_frame?: boolean;
  negotiated_codec?: string;
  negotiated_audio_format?: string;
  /** Hertz. */
  negotiated_sample_rate?: number;
  negotiated_channel_count?: number;
  /** Extension: who ends the session's utterances. */
  endpointing?: string;
  /** Extension: what no registered node does for this session; absent when all is served. */
  unserved?: ReadonlyArray<Unserved>;
  /** Extension, only where `resume` was asked for: shows that the session is yours. */
  resume_token?: string;
  /** Extension: whether this session goes on or begins. */
  resumed?: boolean;
  /** Extension: the first `seq` not taken; from here on audio has to be sent again. */
  next_seq?: number;
}

/** How a session's languages are meant. */
export type SessionMode = "one_way" | "two_way_auto";

/** Extension: change what a session asks for; answered by `session_updated`. What was spoken so far is cut first and keeps the former values. What is absent stays as it is. */
export interface SessionUpdate {
  type: "session_update";
  session_id: string;
  src_lang?: string | null;
  tgt_lang?: string | null;
  tgt_langs?: ReadonlyArray<string> | null;
  /** What it hears in a room. */
  preferred_lang?: string | null;
  pipeline?: Pipeline | null;
  hints?: ReadonlyArray<string> | null;
  voice?: string | null;
}

/** Extension: the answer to `session_update`, with all values that are in force. */
export interface SessionUpdated {
  type: "session_updated";
  session_id: string;
  src_lang: string;
  tgt_lang: string;
  /** Empty: `tgt_lang` alone. */
  tgt_langs?: ReadonlyArray<string>;
  preferred_lang?: string;
  pipeline: Pipeline;
  hints?: ReadonlyArray<string>;
  voice?: string;
  /** What no registered node does of it. */
  unserved?: ReadonlyArray<Unserved>;
}

/** Send the live view from now on. */
export interface Subscribe {
  /** The sender's own; comes back in the answer. */
  request_id: string | number;
  type: "subscribe";
}

/** Text alone; the browser client shows it. */
export interface Translation {
  type: "translation";
  text: string;
}

/** The outcome of an utterance, in the order of cuts unless marked `late`. */
export interface TranslationResult {
  type: "translation_result";
  session_id: string;
  utterance_index: number;
  job_id: string;
  text_asr?: string;
  text_translated?: string;
  /** Base64 speech as the node sent it; empty where there is none. */
  tts_audio?: string;
  /** `opus` (packets behind their lengths) or `pcm16`. */
  tts_format?: string;
  /** What else the node sent, as it is. */
  extra?: Record<string, unknown>;
  trace_id?: string;
  group_id?: string;
  part_index?: number;
  service_timings?: ServiceTimings;
  network_timings?: NetworkTimings;
  scheduler_sent_at_ms?: number;
  /** `good`, `suspect` or `bad`. */
  asr_quality_level?: string;
  reason_codes?: ReadonlyArray<string>;
  /** 0 to 1. */
  quality_score?: number;
  rerun_count?: number;
  /** `{count, max_gap, avg_duration}`, the last two in seconds. */
  segments_meta?: Record<string, unknown>;
  /** Extension: the language of this outcome, as the client writes it. */
  tgt_lang?: string;
  /** Extension: where its audio begins in all audio of the session. */
  speech_start_ms?: number;
  speech_end_ms?: number;
  /** Extension: counts the outcomes of a session from 1. */
  delivery_seq?: number;
  /** Extension: later outcomes were delivered before this one. */
  late?: boolean;
  /** Extension: there was speech, but the instance that held it is gone. */
  tts_lost?: boolean;
  /** Extension: only the beginning of the texts is left, the rest went with that instance. */
  truncated?: boolean;
  /** Extension, in rooms: whose words these are. */
  speaker_session_id?: string;
  /** Extension, in rooms: the speaker's own index. */
  speaker_utterance_index?: number;
}

/** Speech alone; the browser client plays it. */
export interface TtsAudio {
  type: "tts_audio";
  /** Base64. */
  payload: string;
  utterance_index?: number;
  tts_format?: string;
}

/** The client stopped playing speech. */
export interface TtsPlayEnded {
  type: "tts_play_ended";
  session_id: string;
  trace_id: string;
  group_id: string;
  ts_end_ms: number | null;
}

/** The client plays speech and its microphone is off: a silence now is no pause. */
export interface TtsStarted {
  type: "tts_started";
  session_id: string;
  trace_id: string;
  group_id: string;
  ts_start_ms: number | null;
}

/** The progress of an utterance; may be lost and needs no answer. */
export interface UiEvent {
  type: "ui_event";
  trace_id: string;
  session_id: string;
  job_id: string;
  utterance_index: number;
  event: UiEventKind;
  elapsed_ms?: number;
  status?: "ok" | "error";
  error_code?: string;
  hint?: string;
  /** Extension, with QUEUED; null when no node serves the languages. */
  wait_ms_estimate?: number;
  /** Extension, with QUEUED: why nobody can say how long it waits. */
  reason?: "no_node";
}

/** Where an utterance stands. */
export type UiEventKind = "QUEUED" | "DISPATCHED" | "NODE_ACCEPTED" | "ASR_PARTIAL" | "ASR_FINAL" | "NMT_DONE" | "ERROR" | "INPUT_STARTED" | "INPUT_ENDED" | "TTS_PLAY_STARTED" | "TTS_PLAY_ENDED";

/** Give it new work again. */
export interface UndrainNode {
  /** The sender's own; comes back in the answer. */
  request_id: string | number;
  type: "undrain_node";
  node_id: string;
}

/** Something that no registered node does. */
export interface Unserved {
  src_lang: string;
  tgt_lang: string;
  /** `translation` or `speech`. */
  what: string;
  /** Where nodes serve it and none of them reads the client's audio: its format. */
  audio_format?: string;
}

/** A whole utterance in one message. */
export interface Utterance {
  type: "utterance";
  session_id: string;
  utterance_index: number;
  manual_cut: boolean;
  src_lang: string;
  tgt_lang: string;
  /** In `audio_format`. Goes to the session. */
  audio: string;
  audio_format: AudioFormat;
  sample_rate: number;
  dialect?: string | null;
  features?: Features | null;
  mode?: SessionMode | null;
  lang_a?: string | null;
  lang_b?: string | null;
  auto_langs?: ReadonlyArray<string> | null;
  enable_streaming_asr?: boolean | null;
  partial_update_interval_ms?: number | null;
  trace_id?: string | null;
  pipeline?: Pipeline | null;
}

/** Extension: an utterance is not wanted any more; no reply, but the outcome it then has. Without an index: what was spoken since the last cut is thrown away. */
export interface UtteranceCancel {
  type: "utterance_cancel";
  session_id: string;
  utterance_index?: number | null;
}

/** The answer to an offer. */
export interface WebrtcAnswer {
  type: "webrtc_answer";
  room_code: string;
  to: string;
  sdp: Record<string, unknown>;
}

/** A way to reach the sender; lost by a browser that has no offer or answer yet. */
export interface WebrtcIce {
  type: "webrtc_ice";
  room_code: string;
  to: string;
  /** RTCIceCandidateInit. */
  candidate: Record<string, unknown>;
}

/** A proposal to connect. */
export interface WebrtcOffer {
  type: "webrtc_offer";
  room_code: string;
  to: string;
  /** `{type, sdp}` of the browser. */
  sdp: Record<string, unknown>;
}

/** Everything that a client may send. */
export type ClientMessage =
  | SessionInit
  | AudioChunk
  | Utterance
  | ClientHeartbeat
  | SessionClose
  | RoomCreate
  | RoomJoin
  | RoomLeave
  | RoomRawVoicePreference
  | SessionUpdate
  | TtsPlayEnded
  | TtsStarted
  | UtteranceCancel
  | WebrtcAnswer
  | WebrtcIce
  | WebrtcOffer;

/** Everything that a client may receive. */
export type ServerMessage =
  | SessionInitAck
  | AudioAck
  | AsrPartial
  | TranslationResult
  | MissingResult
  | UiEvent
  | ErrorMessage
  | ServerHeartbeat
  | SessionCloseAck
  | Backpressure
  | LanguageDetected
  | Reconnect
  | RoomCreateAck
  | RoomError
  | RoomExpired
  | RoomMembers
  | SessionUpdated
  | Translation
  | TtsAudio
  | WebrtcAnswer
  | WebrtcIce
  | WebrtcOffer;

/** Everything that a node may send. */
export type NodeMessage =
  | NodeAsrPartial
  | NodeRegister
  | NodeHeartbeat
  | JobResult
  | JobAck
  | JobStarted
  | NodeError;

/** Everything that a node may receive. */
export type NodeCommand =
  | ErrorMessage
  | NodeRegisterAck
  | JobAssign
  | JobEnd
  | JobCancel
  | NodeControl;

/** Everything that a operator may send. */
export type AdminCommand =
  | CancelJob
  | CloseSession
  | DrainNode
  | Forget
  | ListJobs
  | ListNodes
  | ListSessions
  | Subscribe
  | UndrainNode;

/** Everything that a operator may receive. */
export type AdminReply =
  | AdminAck
  | AdminUpdate;

/**
 * The one door to the client library at run time: what else imports ioredis takes types.
 *
 * @module
 */
import "./env_access.ts";

export { Command, Pipeline, Redis, type RedisOptions, ReplyError } from "ioredis";

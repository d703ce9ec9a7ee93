//! Texts of rules, and what becomes of packets.

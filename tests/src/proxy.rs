//! What lies between a service and PostgreSQL, and can fail at a chosen moment of a transaction.
//!
//! It speaks just enough of the protocol to know those moments: the first `UPDATE` of a transaction that found its row (the
//! arbiter's fence), the `COMMIT` on its way, and its answer. Whoever is to be frozen then is frozen before the message goes
//! on, so that not one more step is taken.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// What is done to the client. Blocks until it is done.
pub type Deed = Box<dyn FnOnce() + Send>;

/// What goes wrong.
pub enum Fault {
    /// The connection is cut when the `COMMIT` has left the client and not reached the server.
    LoseCommit,
    /// The `COMMIT` goes on to the server, and the connection is cut at once.
    CutAtCommit,
    /// The server commits and says so; the connection is cut before the client hears of it.
    LoseAnswer,
    /// The `COMMIT` goes on, and nothing comes back, nor does anybody say that the connection is gone.
    Vanish,
    /// The deed is done inside the transaction, when the server has executed its fence.
    InTransaction(Deed),
    /// The deed is done when the server has committed, before the client hears of it.
    AfterCommit(Deed),
}

/// A moment of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Moment {
    Fenced,
    Commit,
    Committed,
}

impl Fault {
    const fn moment(&self) -> Moment {
        match self {
            Self::InTransaction(_) => Moment::Fenced,
            Self::LoseCommit | Self::CutAtCommit | Self::Vanish => Moment::Commit,
            Self::LoseAnswer | Self::AfterCommit(_) => Moment::Committed,
        }
    }
}

/// A fault that is to come: at the `after`-th transaction from now that reaches its moment.
struct Trap {
    fault: Fault,
    after: u32,
    sprung: Arc<AtomicBool>,
}

/// Whether an armed fault has happened.
#[derive(Debug, Clone)]
pub struct Sprung(Arc<AtomicBool>);

impl Sprung {
    /// Whether it has.
    pub fn is_so(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

/// Listens on a port of its own until it is dropped.
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    listening: JoinHandle<()>,
}

struct Shared {
    server: SocketAddr,
    trap: Mutex<Option<Trap>>,
}

impl std::fmt::Debug for Proxy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Proxy({})", self.address)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

impl Proxy {
    /// Begins to pass connections on to this server.
    pub async fn start(server: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("a port for the proxy")?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared { server, trap: Mutex::new(None) });
        let serving = Arc::clone(&shared);
        let listening = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let shared = Arc::clone(&serving);
                // However it ends, both sides are closed then, which is all that anybody can tell them.
                tokio::spawn(async move { drop(shared.pass(client).await) });
            }
        });
        Ok(Self { address, shared, listening })
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Lets this happen to the `after`-th transaction from now, counting from 1. An earlier fault that has not happened is
    /// forgotten.
    pub fn arm(&self, after: u32, fault: Fault) -> Sprung {
        let sprung = Arc::new(AtomicBool::new(false));
        let trap = Trap { fault, after: after.max(1), sprung: Arc::clone(&sprung) };
        *self.shared.trap() = Some(trap);
        Sprung(sprung)
    }
}

/// What a fault leaves of a connection.
enum Left {
    Everything,
    /// The message goes on to the server, and then nothing is left.
    Last,
    Nothing,
    /// The message goes on to the server, and nothing else goes anywhere, for ever.
    Silence,
}

impl Shared {
    fn trap(&self) -> std::sync::MutexGuard<'_, Option<Trap>> {
        self.trap.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Passes a connection on until one side closes it, or a fault does.
    async fn pass(&self, mut client: TcpStream) -> io::Result<()> {
        let mut server = TcpStream::connect(self.server).await?;
        client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        let (mut asked, mut answered) = (Vec::new(), Vec::new());
        let mut session = Session::default();
        loop {
            tokio::select! {
                read = client.read_buf(&mut asked) => {
                    if read? == 0 {
                        return Ok(());
                    }
                    while let Some(message) = session.next_asked(&mut asked) {
                        if is_request_for_encryption(&message) {
                            client.write_all(b"N").await?;
                            continue;
                        }
                        match self.meet(session.asked(&message)).await {
                            Left::Everything => server.write_all(&message).await?,
                            Left::Last => return server.write_all(&message).await,
                            Left::Nothing => return Ok(()),
                            Left::Silence => {
                                server.write_all(&message).await?;
                                let _open = (client, server);
                                return std::future::pending().await;
                            }
                        }
                    }
                }
                read = server.read_buf(&mut answered) => {
                    if read? == 0 {
                        return Ok(());
                    }
                    while let Some(message) = next_answered(&mut answered) {
                        match self.meet(session.answered(&message)).await {
                            Left::Everything => client.write_all(&message).await?,
                            Left::Last | Left::Nothing | Left::Silence => return Ok(()),
                        }
                    }
                }
            }
        }
    }

    /// What happens at a moment.
    async fn meet(&self, moment: Option<Moment>) -> Left {
        let Some(trap) = moment.and_then(|moment| self.take(moment)) else { return Left::Everything };
        let left = match trap.fault {
            Fault::LoseCommit | Fault::LoseAnswer => Left::Nothing,
            Fault::CutAtCommit => Left::Last,
            Fault::Vanish => Left::Silence,
            Fault::InTransaction(deed) | Fault::AfterCommit(deed) => {
                let _ = tokio::task::spawn_blocking(deed).await;
                Left::Everything
            }
        };
        trap.sprung.store(true, Ordering::SeqCst);
        left
    }

    /// The fault, if it is for now.
    fn take(&self, moment: Moment) -> Option<Trap> {
        let mut held = self.trap();
        let trap = held.as_mut().filter(|trap| trap.fault.moment() == moment)?;
        trap.after -= 1;
        if trap.after == 0 { held.take() } else { None }
    }
}

/// What is known of a connection.
#[derive(Debug, Default)]
struct Session {
    /// Whether the start-up message, which has no type, is through.
    started: bool,
    in_transaction: bool,
    /// Whether the transaction's fence has found its row.
    fenced: bool,
}

impl Session {
    /// Takes the next whole message off what the client has sent.
    fn next_asked(&mut self, bytes: &mut Vec<u8>) -> Option<Vec<u8>> {
        if self.started {
            return next_answered(bytes);
        }
        let length = usize::try_from(u32::from_be_bytes(*bytes.first_chunk()?)).ok()?;
        let message = take(bytes, length)?;
        self.started = !is_request_for_encryption(&message);
        Some(message)
    }

    fn asked(&self, message: &[u8]) -> Option<Moment> {
        let is_commit = message.first() == Some(&b'Q') && text(message).eq_ignore_ascii_case(b"COMMIT");
        (is_commit && self.fenced).then_some(Moment::Commit)
    }

    fn answered(&mut self, message: &[u8]) -> Option<Moment> {
        if message.first() != Some(&b'C') {
            return None;
        }
        match text(message) {
            b"BEGIN" => (self.in_transaction, self.fenced) = (true, false),
            b"UPDATE 1" if self.in_transaction && !self.fenced => {
                self.fenced = true;
                return Some(Moment::Fenced);
            }
            b"COMMIT" => {
                let was = self.fenced;
                (self.in_transaction, self.fenced) = (false, false);
                return was.then_some(Moment::Committed);
            }
            b"ROLLBACK" => (self.in_transaction, self.fenced) = (false, false),
            _ => {}
        }
        None
    }
}

/// Takes the next whole message off what the server has sent: its type, its length without the type, and what it says.
fn next_answered(bytes: &mut Vec<u8>) -> Option<Vec<u8>> {
    let length = bytes.get(1..5).and_then(|length| length.first_chunk())?;
    take(bytes, 1 + usize::try_from(u32::from_be_bytes(*length)).ok()?)
}

fn take(bytes: &mut Vec<u8>, length: usize) -> Option<Vec<u8>> {
    (bytes.len() >= length).then(|| bytes.drain(..length).collect())
}

/// A message that says one text.
fn text(message: &[u8]) -> &[u8] {
    message.get(5..).and_then(|text| text.strip_suffix(&[0])).unwrap_or_default()
}

/// `SSLRequest` or `GSSENCRequest`; it is answered here, with no.
fn is_request_for_encryption(message: &[u8]) -> bool {
    const CODES: [u32; 2] = [80_877_103, 80_877_104];
    let code = message.get(4..8).and_then(|code| code.first_chunk()).map(|code| u32::from_be_bytes(*code));
    message.len() == 8 && code.is_some_and(|code| CODES.contains(&code))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u8, text: &str) -> Vec<u8> {
        let length = u32::try_from(text.len() + 5).expect("short").to_be_bytes();
        [&[kind], &length[..], text.as_bytes(), &[0]].concat()
    }

    #[test]
    fn a_transaction_is_followed_through_its_moments_and_no_other_is() {
        let mut session = Session { started: true, ..Session::default() };
        let commit = message(b'Q', "COMMIT");
        assert_eq!(session.answered(&message(b'C', "UPDATE 1")), None, "outside of a transaction");
        assert_eq!(session.answered(&message(b'C', "BEGIN")), None);
        assert_eq!(session.asked(&commit), None, "nothing is fenced");
        assert_eq!(session.answered(&message(b'C', "UPDATE 0")), None, "the fence found no row");
        assert_eq!(session.answered(&message(b'C', "UPDATE 1")), Some(Moment::Fenced));
        assert_eq!(session.answered(&message(b'C', "UPDATE 1")), None, "an update after the fence");
        assert_eq!(session.asked(&message(b'Q', "SELECT 1")), None);
        assert_eq!(session.asked(&commit), Some(Moment::Commit));
        assert_eq!(session.answered(&message(b'C', "COMMIT")), Some(Moment::Committed));
        assert_eq!(session.answered(&message(b'C', "COMMIT")), None);
    }

    #[test]
    fn messages_are_taken_whole_whatever_pieces_they_come_in() {
        let (mut session, mut bytes) = (Session::default(), Vec::new());
        let encryption = [&8_u32.to_be_bytes()[..], &80_877_103_u32.to_be_bytes()].concat();
        let startup = [&9_u32.to_be_bytes()[..], &196_608_u32.to_be_bytes(), &[0]].concat();
        let all = [encryption.clone(), startup.clone(), message(b'Q', "COMMIT")];
        let mut taken = Vec::new();
        for byte in all.concat() {
            bytes.push(byte);
            taken.extend(session.next_asked(&mut bytes));
        }
        assert_eq!(taken, all);
        assert!(is_request_for_encryption(&encryption) && !is_request_for_encryption(&startup));
    }

    #[test]
    fn a_trap_waits_for_its_moment_and_its_turn_and_springs_once() {
        let trap = Trap { fault: Fault::LoseAnswer, after: 2, sprung: Arc::default() };
        let shared = Shared { server: (Ipv4Addr::LOCALHOST, 1).into(), trap: Mutex::new(Some(trap)) };
        assert!(shared.take(Moment::Commit).is_none() && shared.take(Moment::Committed).is_none());
        assert!(shared.take(Moment::Fenced).is_none());
        assert!(shared.take(Moment::Committed).is_some());
        assert!(shared.take(Moment::Committed).is_none());
    }
}

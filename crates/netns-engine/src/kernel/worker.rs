//! A thread that goes into one netns after another, so that nobody else has to.
//!
//! The end of a thread that has seen many netns come takes the kernel milliseconds; a thread that stays is
//! asked again for nothing.

use std::{
    fs::File,
    os::fd::AsFd,
    sync::mpsc::{self, Receiver, Sender},
    thread::{self, JoinHandle},
};

use rustix::{io::Errno, thread::LinkNameSpaceType};

use super::{namespace, refusal::Refusal};

/// The thread; it ends with this.
#[derive(Debug)]
pub(super) struct Worker {
    jobs: Option<Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

/// What is to be done, and what is to be said once the thread is home again.
type Job = Box<dyn FnOnce() -> Answer + Send>;
type Answer = Box<dyn FnOnce() + Send>;

impl Worker {
    /// Starts the thread in the caller's netns, to which it returns after each job.
    pub(super) fn start() -> Result<Self, Refusal> {
        let home = namespace::own()?;
        let (jobs, inbox) = mpsc::channel();
        let thread = thread::Builder::new().name("netns".to_owned()).spawn(move || work(&inbox, &home))?;
        Ok(Self { jobs: Some(jobs), thread: Some(thread) })
    }

    /// Runs `job`, which may enter or make a netns, and waits for its result.
    pub(super) fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, Refusal> {
        let (say, hear) = mpsc::sync_channel(1);
        let job: Job = Box::new(move || {
            let result = job();
            Box::new(move || drop(say.send(result)))
        });
        let gone = || Refusal::new(Errno::IO).with_message("the thread that enters netns has ended");
        let jobs = self.jobs.as_ref().ok_or_else(gone)?;
        jobs.send(job).map_err(|_| gone())?;
        hear.recv().map_err(|_| gone())?
    }
}

fn work(inbox: &Receiver<Job>, home: &File) {
    for job in inbox {
        let answer = job();
        let went_home =
            rustix::thread::move_into_link_name_space(home.as_fd(), Some(LinkNameSpaceType::Network));
        answer();
        if went_home.is_err() {
            // In the wrong netns it must not work on.
            return;
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        drop(self.jobs.take());
        if let Some(thread) = self.thread.take() {
            // A panic of a job was its caller's.
            drop(thread.join());
        }
    }
}

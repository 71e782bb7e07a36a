//! Places of customers, by hand-moved time.

use super::*;

fn customer() -> Customer {
    ("14632221-b1b6-4eec-844a-39f60c7f1523".parse().unwrap(), "cust_1".parse().unwrap())
}

const NOW: Duration = Duration::from_secs(9);

fn take(transfers: &Arc<Caps>, most: u32, share: Option<u32>, tick: Duration) -> Result<Place, bool> {
    let bounds = Bounds { most, share: share.unwrap_or(0), may_ask: share.is_none() };
    match transfers.begin(&customer(), bounds, tick) {
        Answer::Taken(place) => Ok(place),
        Answer::Full => Err(true),
        Answer::Wanting => Err(false),
    }
}

fn shared() -> Arc<Caps> {
    Arc::new(Caps::shared(Box::new(|_| ())))
}

#[test]
fn an_edge_that_is_alone_has_all_places_and_gets_them_back() {
    let transfers = Arc::new(Caps::default());
    let places = [take(&transfers, 2, None, NOW).unwrap(), take(&transfers, 2, None, NOW).unwrap()];
    assert!(matches!(take(&transfers, 2, None, NOW), Err(true)));
    drop(places);
    assert!(take(&transfers, 1, None, NOW).is_ok());
    transfers.sweep();
    assert!(transfers.crowds.is_empty());
}

#[test]
fn one_of_several_has_the_places_that_it_was_given_for_their_time() {
    let transfers = shared();
    assert!(matches!(take(&transfers, 5, None, NOW), Err(false)));
    let told = transfers.occupation(&customer(), 3).unwrap();
    assert_eq!((told.most, told.running, told.waiting), (5, 0, 3));
    transfers.settle(&told, Some(2), (NOW, NOW));
    let mut places = vec![take(&transfers, 5, None, NOW).unwrap(), take(&transfers, 5, None, NOW).unwrap()];
    assert!(matches!(take(&transfers, 5, None, NOW), Err(true)), "three were asked for, two came");
    assert!(matches!(take(&transfers, 5, None, NOW + RECHECK), Err(false)));
    places.pop();
    assert!(
        matches!(take(&transfers, 5, None, NOW + OCCUPANCY), Err(false)),
        "its places are not its any more"
    );
    assert_eq!(transfers.occupation(&customer(), 0).unwrap().running, 1);
}

#[test]
fn where_nobody_says_an_edge_has_its_share_and_at_least_one_and_never_more_than_the_tier_says() {
    for (most, share, fits) in [(6, 2, 2), (2, 0, 1), (1, 5, 1)] {
        let transfers = shared();
        let places: Vec<_> = (0..9).filter_map(|_| take(&transfers, most, Some(share), NOW).ok()).collect();
        assert_eq!(places.len(), fits, "{share} of {most}");
    }
    let transfers = shared();
    take(&transfers, 2, Some(1), NOW).unwrap();
    let told = transfers.occupation(&customer(), 9).unwrap();
    transfers.settle(&told, Some(u32::MAX), (NOW, NOW));
    let places: Vec<_> = (0..9).filter_map(|_| take(&transfers, 2, None, NOW).ok()).collect();
    assert_eq!(places.len(), 2, "whatever it was given");
}

#[test]
fn who_gave_a_place_back_is_told_of_until_the_arbiter_knows() {
    let transfers = shared();
    let place = take(&transfers, 2, Some(1), NOW).unwrap();
    let told = transfers.occupation(&customer(), 0).unwrap();
    transfers.settle(&told, Some(1), (NOW, NOW));
    drop(place);
    transfers.sweep();
    assert_eq!(transfers.occupied(), [customer()]);
    let told = transfers.occupation(&customer(), 0).unwrap();
    transfers.settle(&told, Some(0), (NOW, NOW));
    assert!(transfers.occupied().is_empty());
}

#[test]
fn while_the_arbiter_does_not_know_an_edge_has_its_share() {
    let transfers = shared();
    let bounds = Bounds { most: 6, share: 2, may_ask: true };
    assert!(matches!(transfers.begin(&customer(), bounds, NOW), Answer::Wanting));
    let told = transfers.occupation(&customer(), 1).unwrap();
    transfers.settle(&told, None, (NOW, NOW));
    let begin = || transfers.begin(&customer(), bounds, NOW);

    let places: Vec<Answer> = (0..2).map(|_| begin()).collect();
    assert!(places.iter().all(|answer| matches!(answer, Answer::Taken(_))));
    assert!(matches!(begin(), Answer::Full));
}

async fn seconds_for(paces: &[Arc<Pace>], bytes: u64) -> f64 {
    let began = tokio::time::Instant::now();
    let send = |pace: &Arc<Pace>| {
        let mut paced = Paced::new(pace.clone());
        async move {
            let mut left = bytes;
            while left > 0 {
                left -= std::future::poll_fn(|context| paced.poll_piece(left, context)).await;
            }
        }
    };
    futures_util::future::join_all(paces.iter().map(send)).await;
    began.elapsed().as_secs_f64()
}

#[tokio::test]
async fn all_transfers_of_a_customer_have_one_pace_together() {
    let transfers = shared();
    let pace = transfers.pace(&customer(), 1 << 20);
    let took = seconds_for(&[pace.clone(), pace.clone()], 512 << 10).await;
    assert!((0.75..2.0).contains(&took), "1 MiB at 1 MiB/s: {took} s");
    let faster = transfers.pace(&customer(), 100 << 20);
    assert!(Arc::ptr_eq(&pace, &faster));
    let took = seconds_for(&[pace], 10 << 20).await;
    assert!(took < 1.0, "the new pace counts for who is under way: {took} s");
}

#[tokio::test]
async fn the_slowest_pace_moves_every_second() {
    let mut paced = Paced::new(Arc::new(Pace::new(5)));
    assert_eq!(std::future::poll_fn(|context| paced.poll_piece(1_000, context)).await, 5);
}

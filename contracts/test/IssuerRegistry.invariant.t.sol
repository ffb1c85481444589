// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

// A cast that cut a value off would show as a failing test.
// forge-lint: disable-start(unsafe-typecast)

import {IIssuerRegistry} from "../src/IIssuerRegistry.sol";
import {IssuerRegistry} from "../src/IssuerRegistry.sol";
import {MiniTest} from "./MiniTest.sol";

/// @dev Six people try every act on two issuers, entitled or not, and after each attempt the whole state is
/// compared with what it was: whatever changed must have been allowed to change, by that person, in that way.
contract Crowd is MiniTest {
    uint256 private constant PEOPLE = 6;
    uint256 private constant KEYS = 5;
    uint256 private constant WORDS = 2;
    uint256 private constant PROFILES = 3;
    uint256 private constant FOREVER = type(uint256).max;

    struct State {
        IIssuerRegistry.Issuer[2] issuers;
        IIssuerRegistry.Key[KEYS][2] keys;
        uint256[WORDS][2] words;
        uint40[PROFILES][2] profiles;
        IIssuerRegistry.Endorsement[PROFILES][2] endorsements; // given by each of the two to the other
    }

    IssuerRegistry private immutable _REGISTRY;
    bytes32[2] public ids;
    /// @dev How often each act went through: the test below sees that none of them never does.
    mapping(bytes4 selector => uint256) public successes;

    constructor(IssuerRegistry registry) {
        _REGISTRY = registry;
        ids[0] = registry.register(person(0), _commitment(person(1)), profile(0), 0);
        ids[1] = registry.register(person(2), _commitment(person(3)), profile(0), 0);
    }

    // ------------------------------------------------------------ the cast

    function person(uint256 who) public pure returns (address) {
        return vm.addr(1000 + who % PEOPLE);
    }

    function profile(uint256 which) public pure returns (bytes32) {
        return keccak256(abi.encode("profile", which % PROFILES));
    }

    /// @dev Keys 0 to 2 sign; keys 3 and 4 are the addresses of people 4 and 5 and revoke.
    function keyId(uint256 which) public pure returns (bytes32) {
        which %= KEYS;
        return which < 3 ? keccak256(abi.encode("key", which)) : bytes32(uint256(uint160(person(which + 1))));
    }

    function _commitment(address recovery) private pure returns (bytes32) {
        return keccak256(abi.encode(recovery));
    }

    /// @dev Often nothing (0), now, or far away; else within an hour or so of now.
    function _time(uint256 seed) private view returns (uint64) {
        if (seed % 5 == 0) return 0;
        if (seed % 5 == 1) return uint64(block.timestamp);
        if (seed % 50 == 2) return uint64(seed);
        return uint64(block.timestamp - 5000 + (seed >> 8) % 10_000);
    }

    // ------------------------------------------------------------ the acts

    function wait(uint8 time) external {
        vm.warp(block.timestamp + time);
    }

    function addKey(uint256 who, uint256 which, uint256 key, uint256 until) external {
        IIssuerRegistry.KeyRole role =
            key % KEYS < 3 ? IIssuerRegistry.KeyRole.Signing : IIssuerRegistry.KeyRole.Revoking;
        _try(
            _either(who, _REGISTRY.issuer(ids[which % 2]).controller),
            abi.encodeCall(
                IIssuerRegistry.addKey, (ids[which % 2], keyId(key), role, _time(until), type(uint64).max, "")
            )
        );
    }

    /// @dev Most calls do nothing, or no window would stay open long enough for anything else.
    function endKey(uint256 who, uint256 which, uint256 key, uint256 until) external {
        if ((until >> 16) % 8 != 0) return;
        _try(
            _either(who, _REGISTRY.issuer(ids[which % 2]).controller),
            abi.encodeCall(
                IIssuerRegistry.endKey, (ids[which % 2], keyId(key), _time(until), type(uint64).max, "")
            )
        );
    }

    function compromiseKey(uint256 who, uint256 which, uint256 key, uint256 since) external {
        address signer = person(who);
        _try(
            signer,
            abi.encodeCall(
                IIssuerRegistry.compromiseKey,
                (ids[which % 2], keyId(key), _time(since), signer, type(uint64).max, "")
            )
        );
    }

    function recordProfile(uint256 who, uint256 which, uint256 hash) external {
        _try(
            _either(who, _REGISTRY.issuer(ids[which % 2]).controller),
            abi.encodeCall(
                IIssuerRegistry.recordProfile, (ids[which % 2], profile(hash), type(uint64).max, "")
            )
        );
    }

    function endorse(uint256 who, uint256 which, uint256 hash, uint256 until) external {
        _try(
            _either(who, _REGISTRY.issuer(ids[which % 2]).controller),
            abi.encodeCall(
                IIssuerRegistry.endorse,
                (ids[which % 2], ids[1 - which % 2], profile(hash), _time(until), type(uint64).max, "")
            )
        );
    }

    function withdraw(uint256 who, uint256 which, uint256 hash, uint256 since) external {
        address signer = _either(who, _REGISTRY.issuer(ids[which % 2]).controller);
        _try(
            signer,
            abi.encodeCall(
                IIssuerRegistry.withdraw,
                (
                    ids[which % 2],
                    ids[1 - which % 2],
                    profile(hash),
                    _time(since),
                    signer,
                    type(uint64).max,
                    ""
                )
            )
        );
    }

    function revoke(uint256 who, uint256 which, uint256 word, uint256 mask) external {
        _try(
            _either(who, person(4 + mask % 2)),
            abi.encodeWithSignature(
                "revoke(bytes32,uint256,uint256)", ids[which % 2], word % WORDS, 2 ** (mask % 256)
            )
        );
    }

    function rotate(uint256 who, uint256 which, uint256 controller, uint256 recovery) external {
        _try(
            person(who),
            abi.encodeCall(
                IIssuerRegistry.rotate,
                (
                    ids[which % 2],
                    person(controller),
                    _commitment(person(recovery)),
                    person(who),
                    type(uint64).max,
                    ""
                )
            )
        );
    }

    function reinstate(uint256 who, uint256 which, uint256 word, uint256 mask) external {
        _try(
            person(who),
            abi.encodeCall(
                IIssuerRegistry.reinstate,
                (ids[which % 2], word % WORDS, mask, person(who), type(uint64).max, "")
            )
        );
    }

    /// @dev Closing ends nearly everything, so most calls of this do nothing.
    function close(uint256 who, uint256 which, bool successor, uint8 rarely) external {
        if (rarely % 4 != 0) return;
        _try(
            person(who),
            abi.encodeCall(
                IIssuerRegistry.close,
                (
                    ids[which % 2],
                    successor ? ids[1 - which % 2] : bytes32(0),
                    0,
                    person(who),
                    type(uint64).max,
                    ""
                )
            )
        );
    }

    /// @dev The entitled one half of the time, else anybody.
    function _either(uint256 who, address entitled) private pure returns (address) {
        return (who >> 8) % 2 == 0 ? entitled : person(who);
    }

    // ------------------------------------------------------------ before and after

    function _try(address who, bytes memory call) private {
        State memory old = state();
        vm.prank(who);
        (bool done,) = address(_REGISTRY).call(call);
        State memory now_ = state();
        if (done) ++successes[bytes4(call)];
        for (uint256 i; i < 2; ++i) {
            bool byRecovery = old.issuers[i].recovery == _commitment(who);
            _compareIssuers(old.issuers[i], now_.issuers[i], byRecovery);
            _compareKeys(old, now_, i, who);
            _compareWords(old, now_, i, who, byRecovery);
            _compareProfiles(old, now_, i, who);
            _compareEndorsements(old, now_, i, who);
        }
    }

    function state() public view returns (State memory found) {
        for (uint256 i; i < 2; ++i) {
            found.issuers[i] = _REGISTRY.issuer(ids[i]);
            for (uint256 k; k < KEYS; ++k) {
                found.keys[i][k] = _REGISTRY.key(ids[i], keyId(k));
            }
            for (uint256 w; w < WORDS; ++w) {
                found.words[i][w] = _REGISTRY.statusWord(ids[i], w);
            }
            for (uint256 p; p < PROFILES; ++p) {
                found.profiles[i][p] = _REGISTRY.profileRecordedAt(ids[i], profile(p));
                found.endorsements[i][p] = _REGISTRY.endorsement(ids[i], ids[1 - i], profile(p));
            }
        }
    }

    function _compareIssuers(
        IIssuerRegistry.Issuer memory old,
        IIssuerRegistry.Issuer memory now_,
        bool byRecovery
    ) private pure {
        vm.assertEq(now_.registeredAt, old.registeredAt, "registeredAt moved");
        bool same = keccak256(abi.encode(old)) == keccak256(abi.encode(now_));
        if (old.closedAt != 0) vm.assertTrue(same, "a closed record changed");
        if (!byRecovery) {
            old.profile = now_.profile; // the controller's
            same = keccak256(abi.encode(old)) == keccak256(abi.encode(now_));
            vm.assertTrue(same, "more than the profile changed without the recovery key");
        }
        vm.assertTrue(now_.recoveryActs >= old.recoveryActs, "recoveryActs went back");
        vm.assertTrue(!now_.closedForGood || now_.closedAt != 0, "closed for good but open");
        vm.assertTrue(
            now_.closedAt == 0 || now_.closedForGood == (now_.successor == 0), "the flag belies the successor"
        );
    }

    function _compareKeys(State memory old, State memory now_, uint256 i, address who) private view {
        for (uint256 k; k < KEYS; ++k) {
            IIssuerRegistry.Key memory was = old.keys[i][k];
            IIssuerRegistry.Key memory is_ = now_.keys[i][k];
            bool controls = who == old.issuers[i].controller && old.issuers[i].closedAt == 0;
            if (was.from == 0) {
                vm.assertTrue(is_.from == 0 || (is_.from == block.timestamp && controls), "a key appeared");
                vm.assertEq(is_.compromisedSince, 0, "a new key is compromised");
                continue;
            }
            vm.assertTrue(is_.from == was.from && is_.role == was.role, "a key's from or role changed");
            if (is_.until != was.until) {
                vm.assertTrue(controls, "an end moved without the controller");
                vm.assertTrue(_bound(is_.until) < _bound(was.until), "an end moved later");
                vm.assertTrue(is_.until >= block.timestamp, "an end moved into the past");
            }
            if (is_.compromisedSince != was.compromisedSince) {
                vm.assertTrue(_bound(is_.compromisedSince) < _bound(was.compromisedSince), "compromise later");
                IIssuerRegistry.Issuer memory heir = old.issuers[old.issuers[i].closedAt == 0 ? i : 1 - i];
                vm.assertFalse(old.issuers[i].closedForGood);
                vm.assertEq(heir.closedAt, 0, "a closed successor spoke");
                bool byRecovery = heir.recovery == _commitment(who);
                bool byController = heir.controller == who && is_.compromisedSince >= block.timestamp;
                vm.assertTrue(byRecovery || byController, "a compromise dated back without the recovery key");
            }
        }
    }

    function _compareWords(State memory old, State memory now_, uint256 i, address who, bool byRecovery)
        private
        view
    {
        for (uint256 w; w < WORDS; ++w) {
            uint256 was = old.words[i][w];
            uint256 is_ = now_.words[i][w];
            if (was & ~is_ != 0) {
                vm.assertTrue(byRecovery && old.issuers[i].closedAt == 0, "a bit was cleared");
            }
            if (is_ & ~was != 0) {
                uint256 heir = old.issuers[i].closedAt == 0 ? i : 1 - i;
                vm.assertTrue(!old.issuers[i].closedForGood, "a bit was set after the end");
                vm.assertEq(old.issuers[heir].closedAt, 0, "a closed successor revoked");
                vm.assertTrue(_mayRevoke(old, heir, who), "a bit was set by somebody else");
            }
        }
    }

    function _mayRevoke(State memory old, uint256 heir, address who) private view returns (bool) {
        for (uint256 k = 3; k < KEYS; ++k) {
            IIssuerRegistry.Key memory window = old.keys[heir][k];
            bool open = window.from != 0 && block.timestamp < _bound(window.until)
                && block.timestamp < _bound(window.compromisedSince);
            if (open && keyId(k) == bytes32(uint256(uint160(who)))) return true;
        }
        return false;
    }

    function _compareProfiles(State memory old, State memory now_, uint256 i, address who) private view {
        for (uint256 p; p < PROFILES; ++p) {
            if (old.profiles[i][p] == now_.profiles[i][p]) continue;
            vm.assertEq(old.profiles[i][p], 0, "a profile's time moved");
            vm.assertEq(now_.profiles[i][p], block.timestamp, "a profile's time is not now");
            vm.assertTrue(who == old.issuers[i].controller, "a profile appeared");
            vm.assertEq(now_.issuers[i].profile, profile(p), "the newest profile is not the current one");
        }
    }

    function _compareEndorsements(State memory old, State memory now_, uint256 i, address who) private view {
        for (uint256 p; p < PROFILES; ++p) {
            IIssuerRegistry.Endorsement memory was = old.endorsements[i][p];
            IIssuerRegistry.Endorsement memory is_ = now_.endorsements[i][p];
            if (keccak256(abi.encode(was)) == keccak256(abi.encode(is_))) continue;
            bool controls = who == old.issuers[i].controller;
            bool byRecovery = old.issuers[i].recovery == _commitment(who);
            vm.assertEq(old.issuers[i].closedAt, 0, "a closed accreditor spoke");
            vm.assertTrue(
                controls || (byRecovery && is_.withdrawnSince != was.withdrawnSince), "an endorsement changed"
            );
            vm.assertTrue(
                byRecovery || is_.withdrawnSince == was.withdrawnSince
                    || is_.withdrawnSince == block.timestamp,
                "a withdrawal dated back without the recovery key"
            );
            vm.assertTrue(is_.withdrawnSince <= block.timestamp, "withdrawn beforehand");
            vm.assertEq(is_.from, was.from == 0 ? block.timestamp : was.from, "an endorsement's from moved");
            if (was.from == 0) {
                vm.assertTrue(old.profiles[1 - i][p] != 0, "an unknown profile was endorsed");
                continue;
            }
            vm.assertTrue(_bound(is_.until) >= _bound(was.until), "an endorsement's end moved earlier");
            vm.assertTrue(
                _bound(is_.withdrawnSince) <= _bound(was.withdrawnSince), "a withdrawal moved later"
            );
            vm.assertTrue(_bound(is_.withdrawnSince) >= is_.from, "withdrawn before it began");
            vm.assertTrue(was.withdrawnSince == 0 || is_.until == was.until, "a withdrawn one changed");
        }
    }

    /// @dev 0 is infinity.
    function _bound(uint40 time) private pure returns (uint256) {
        return time == 0 ? FOREVER : time;
    }
}

contract IssuerRegistryInvariantTest is MiniTest {
    Crowd private _crowd;
    IssuerRegistry private _registry;

    function setUp() public {
        vm.warp(1_800_000_000);
        _registry = new IssuerRegistry();
        _crowd = new Crowd(_registry);
        targetContract(address(_crowd));
    }

    /// @dev The rules of each step are asserted in the crowd; here those of any state.
    function invariant_check_agreesWithTheParts() public view {
        Crowd.State memory state = _crowd.state();
        for (uint256 i; i < 2; ++i) {
            vm.assertTrue(state.issuers[i].registeredAt != 0);
            for (uint256 k; k < 5; ++k) {
                IIssuerRegistry.Check memory answer = _registry.check(_crowd.ids(i), _crowd.keyId(k), 256 + k);
                vm.assertEq(answer.closedAt, state.issuers[i].closedAt);
                vm.assertEq(answer.profile, state.issuers[i].profile);
                vm.assertEq(answer.from, state.keys[i][k].from);
                vm.assertEq(answer.until, state.keys[i][k].until);
                vm.assertEq(answer.compromisedSince, state.keys[i][k].compromisedSince);
                vm.assertEq(answer.revoked, (state.words[i][1] >> k) & 1 == 1);
            }
        }
    }

    /// @dev A crowd that never gets anything done would prove nothing.
    function test_invariant_crowdReachesEveryAct() public {
        for (uint256 i; i < 3000; ++i) {
            _step(uint256(keccak256(abi.encode(i))), i);
        }

        bytes4[10] memory acts = [
            IIssuerRegistry.addKey.selector,
            IIssuerRegistry.endKey.selector,
            IIssuerRegistry.compromiseKey.selector,
            IIssuerRegistry.recordProfile.selector,
            IIssuerRegistry.endorse.selector,
            IIssuerRegistry.withdraw.selector,
            bytes4(keccak256("revoke(bytes32,uint256,uint256)")),
            IIssuerRegistry.rotate.selector,
            IIssuerRegistry.reinstate.selector,
            IIssuerRegistry.close.selector
        ];
        for (uint256 i; i < acts.length; ++i) {
            vm.assertTrue(_crowd.successes(acts[i]) > 0, "an act never succeeded");
        }
    }

    function _step(uint256 seed, uint256 i) private {
        (uint256 a, uint256 b, uint256 c, uint256 d) = (seed, seed >> 32, seed >> 64, seed >> 96);
        if (i % 11 == 0) _crowd.wait(uint8(a));
        if (i % 11 == 1) _crowd.addKey(a, b, c, d);
        if (i % 11 == 2) _crowd.endKey(a, b, c, d);
        if (i % 11 == 3) _crowd.compromiseKey(a, b, c, d);
        if (i % 11 == 4) _crowd.recordProfile(a, b, c);
        if (i % 11 == 5) _crowd.endorse(a, b, c, d);
        if (i % 11 == 6) _crowd.withdraw(a, b, c, d);
        if (i % 11 == 7) _crowd.revoke(a, b, c, d);
        if (i % 11 == 8) _crowd.rotate(a, b, c, d);
        if (i % 11 == 9) _crowd.reinstate(a, b, c, d);
        if (i % 11 == 10 && i > 2500) _crowd.close(a, b, c % 2 == 0, uint8(d));
    }
}

// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

// A cast that cut a value off would show as a failing test.
// forge-lint: disable-start(unsafe-typecast)

import {IIssuerRegistry} from "../src/IIssuerRegistry.sol";
import {IssuerFixture} from "./IssuerFixture.sol";

/// @dev Windows of keys: from never moves, an end only moves earlier and never before now, neither does a
/// compromise move later, and only the recovery key can date one back.
contract IssuerKeysTest is IssuerFixture {
    bytes32 private constant KEY = keccak256("another key");

    function _assertKey(bytes32 key, uint64 from, uint64 until, uint64 compromisedSince) private view {
        IIssuerRegistry.Key memory window = registry.key(id, key);
        vm.assertEq(window.from, from);
        vm.assertEq(window.until, until);
        vm.assertEq(window.compromisedSince, compromisedSince);
    }

    // ------------------------------------------------------------ addKey

    function test_addKey_opensAWindowNow() public {
        vm.warp(NOW + 7);
        vm.expectEmit();
        emit IIssuerRegistry.KeyAdded(id, KEY, IIssuerRegistry.KeyRole.Signing, uint40(NOW + 99));
        addKey(KEY, IIssuerRegistry.KeyRole.Signing, NOW + 99);

        _assertKey(KEY, NOW + 7, NOW + 99, 0);
        vm.assertTrue(registry.key(id, KEY).role == IIssuerRegistry.KeyRole.Signing);
    }

    function test_addKey_withoutUntilIsOpenEnded() public view {
        _assertKey(SIGNING_KEY, NOW, 0, 0);
    }

    function test_addKey_isOfOneIssuerOnly() public view {
        vm.assertEq(registry.key(accreditor, SIGNING_KEY).from, 0);
    }

    function test_addKey_ofAKnownKeyChangesNothing() public {
        bytes32 before = fingerprint();
        vm.warp(NOW + 7);
        vm.recordLogs();
        addKey(SIGNING_KEY, IIssuerRegistry.KeyRole.Revoking, NOW + 99);

        assertNoEvent();
        vm.assertEq(fingerprint(), before);
    }

    function test_addKey_doesNotReopenAnEndedKey() public {
        endKey(SIGNING_KEY, 0);
        vm.warp(NOW + 7);
        addKey(SIGNING_KEY, IIssuerRegistry.KeyRole.Signing, 0);

        _assertKey(SIGNING_KEY, NOW, NOW, 0);
    }

    function test_addKey_revertsWithInvalidTimeUnlessInTheFuture() public {
        uint64[3] memory times = [uint64(1), NOW - 1, NOW];
        for (uint256 i; i < times.length; ++i) {
            vm.prank(CONTROLLER);
            vm.expectRevert(abi.encodeWithSelector(IIssuerRegistry.InvalidTime.selector, times[i]));
            registry.addKey(id, KEY, IIssuerRegistry.KeyRole.Signing, times[i], NEVER, "");
        }
    }

    function test_addKey_revertsWithInvalidTimeBeyondTheSlot() public {
        uint64 late = uint64(type(uint40).max) + 1;
        vm.prank(CONTROLLER);
        vm.expectRevert(abi.encodeWithSelector(IIssuerRegistry.InvalidTime.selector, late));
        registry.addKey(id, KEY, IIssuerRegistry.KeyRole.Signing, late, NEVER, "");
    }

    function _addKeyRevertsWithInvalidKey(bytes32 key, IIssuerRegistry.KeyRole role) private {
        vm.prank(CONTROLLER);
        vm.expectRevert(abi.encodeWithSelector(IIssuerRegistry.InvalidKey.selector, key, role));
        registry.addKey(id, key, role, 0, NEVER, "");
    }

    function test_addKey_revertsWithInvalidKey() public {
        _addKeyRevertsWithInvalidKey(0, IIssuerRegistry.KeyRole.Signing);
        _addKeyRevertsWithInvalidKey(0, IIssuerRegistry.KeyRole.Revoking);
        _addKeyRevertsWithInvalidKey(KEY, IIssuerRegistry.KeyRole.None);
        _addKeyRevertsWithInvalidKey(keyOf(THIEF), IIssuerRegistry.KeyRole.None);
        // an address in the signing role would lock that address out of revoking for ever
        _addKeyRevertsWithInvalidKey(keyOf(THIEF), IIssuerRegistry.KeyRole.Signing);
        _addKeyRevertsWithInvalidKey(bytes32(uint256(1) << 160), IIssuerRegistry.KeyRole.Revoking);
    }

    function test_addKey_takesTheLargestAddress() public {
        addKey(bytes32((uint256(1) << 160) - 1), IIssuerRegistry.KeyRole.Revoking, 0);
        addKey(bytes32(uint256(1) << 160), IIssuerRegistry.KeyRole.Signing, 0);
    }

    function test_addKey_refusesARoleThatDoesNotExist() public {
        vm.prank(CONTROLLER);
        (bool done,) = address(registry)
            .call(
                abi.encodeWithSelector(
                    IIssuerRegistry.addKey.selector, id, KEY, uint256(3), uint64(0), NEVER, bytes("")
                )
            );

        vm.assertFalse(done);
    }

    // ------------------------------------------------------------ endKey

    function test_endKey_endsAtATimeToCome() public {
        vm.expectEmit();
        emit IIssuerRegistry.KeyEnded(id, SIGNING_KEY, uint40(NOW + 50));
        endKey(SIGNING_KEY, NOW + 50);

        _assertKey(SIGNING_KEY, NOW, NOW + 50, 0);
    }

    function test_endKey_inThePastMeansNow() public {
        vm.warp(NOW + 30);
        endKey(SIGNING_KEY, NOW + 10);

        _assertKey(SIGNING_KEY, NOW, NOW + 30, 0);
    }

    function test_endKey_onlyMovesEarlier() public {
        endKey(SIGNING_KEY, NOW + 50);
        endKey(SIGNING_KEY, NOW + 20);
        vm.recordLogs();
        endKey(SIGNING_KEY, NOW + 20);
        endKey(SIGNING_KEY, NOW + 21);
        endKey(SIGNING_KEY, type(uint40).max);

        assertNoEvent();
        _assertKey(SIGNING_KEY, NOW, NOW + 20, 0);
    }

    function test_endKey_neverShrinksAWindowThatHasEnded() public {
        endKey(SIGNING_KEY, NOW + 20);
        vm.warp(NOW + 40);
        vm.recordLogs();
        endKey(SIGNING_KEY, 0);
        endKey(SIGNING_KEY, NOW + 10);
        endKey(SIGNING_KEY, NOW + 100);

        assertNoEvent();
        _assertKey(SIGNING_KEY, NOW, NOW + 20, 0);
    }

    function test_endKey_revertsWithUnknownKey() public {
        vm.prank(CONTROLLER);
        vm.expectRevert(abi.encodeWithSelector(IIssuerRegistry.UnknownKey.selector, id, KEY));
        registry.endKey(id, KEY, 0, NEVER, "");
    }

    function test_endKey_revertsWithInvalidTimeBeyondTheSlot() public {
        vm.prank(CONTROLLER);
        vm.expectRevert(abi.encodeWithSelector(IIssuerRegistry.InvalidTime.selector, NEVER));
        registry.endKey(id, SIGNING_KEY, NEVER, NEVER, "");
    }

    function test_fuzz_endKey_neverReopens(uint64[5] calldata ends, uint16[5] calldata waits) public {
        uint256 now_ = NOW;
        uint256 end = type(uint256).max;
        for (uint256 i; i < ends.length; ++i) {
            now_ += waits[i];
            vm.warp(now_);
            endKey(SIGNING_KEY, uint64(bound(ends[i], NOW - 1000, NOW + 500_000)));
            uint256 found = registry.key(id, SIGNING_KEY).until;
            vm.assertLe(found, end, "the end moved later");
            vm.assertTrue(found == end || found >= now_, "the end moved into the past");
            end = found;
        }
    }

    // ------------------------------------------------------------ compromiseKey

    function test_compromiseKey_byTheRecoveryKeyDatesBack() public {
        vm.expectEmit();
        emit IIssuerRegistry.KeyCompromised(id, SIGNING_KEY, uint40(NOW - 500));
        compromiseKey(RECOVERY, SIGNING_KEY, NOW - 500);

        _assertKey(SIGNING_KEY, NOW, 0, NOW - 500);
    }

    /// @dev The recovery key's clock may be ahead of the chain's: its word counts for any time.
    function test_compromiseKey_byTheRecoveryKeyTakesAnyTime() public {
        compromiseKey(RECOVERY, SIGNING_KEY, NOW + 5);

        _assertKey(SIGNING_KEY, NOW, 0, NOW + 5);
    }

    function test_compromiseKey_byTheControllerCountsFromNow() public {
        compromiseKey(CONTROLLER, SIGNING_KEY, NOW + 9);
        compromiseKey(CONTROLLER, SIGNING_KEY, NOW);

        _assertKey(SIGNING_KEY, NOW, 0, NOW);
    }

    function test_compromiseKey_revertsWithCompromiseInThePastForTheController() public {
        vm.prank(CONTROLLER);
        vm.expectRevert(abi.encodeWithSelector(IIssuerRegistry.CompromiseInThePast.selector, NOW - 1));
        registry.compromiseKey(id, SIGNING_KEY, NOW - 1, CONTROLLER, NEVER, "");
    }

    function test_compromiseKey_revertsWithSignerNotEntitled() public {
        vm.prank(THIEF);
        vm.expectRevert(abi.encodeWithSelector(IIssuerRegistry.SignerNotEntitled.selector, id, THIEF));
        registry.compromiseKey(id, SIGNING_KEY, NOW + 1, THIEF, NEVER, "");
    }

    function test_compromiseKey_revertsWithCallerNotSignerForABorrowedName() public {
        vm.prank(CONTROLLER);
        vm.expectRevert(
            abi.encodeWithSelector(IIssuerRegistry.CallerNotSigner.selector, CONTROLLER, RECOVERY)
        );
        registry.compromiseKey(id, SIGNING_KEY, NOW - 1, RECOVERY, NEVER, "");
    }

    function test_compromiseKey_onlyMovesEarlier() public {
        compromiseKey(RECOVERY, SIGNING_KEY, NOW - 10);
        vm.recordLogs();
        compromiseKey(RECOVERY, SIGNING_KEY, NOW - 10);
        compromiseKey(RECOVERY, SIGNING_KEY, NOW - 9);
        compromiseKey(CONTROLLER, SIGNING_KEY, NOW + 100);

        assertNoEvent();
        _assertKey(SIGNING_KEY, NOW, 0, NOW - 10);
    }

    function test_compromiseKey_worksOnAnEndedKey() public {
        endKey(SIGNING_KEY, 0);
        compromiseKey(RECOVERY, SIGNING_KEY, NOW - 10);

        _assertKey(SIGNING_KEY, NOW, NOW, NOW - 10);
    }

    function test_compromiseKey_revertsWithInvalidTimeForZero() public {
        vm.prank(RECOVERY);
        vm.expectRevert(abi.encodeWithSelector(IIssuerRegistry.InvalidTime.selector, 0));
        registry.compromiseKey(id, SIGNING_KEY, 0, RECOVERY, NEVER, "");
    }

    function test_compromiseKey_revertsWithInvalidTimeBeyondTheSlot() public {
        vm.prank(CONTROLLER);
        vm.expectRevert(abi.encodeWithSelector(IIssuerRegistry.InvalidTime.selector, NEVER));
        registry.compromiseKey(id, SIGNING_KEY, NEVER, CONTROLLER, NEVER, "");
    }

    function test_compromiseKey_revertsWithUnknownKey() public {
        vm.prank(RECOVERY);
        vm.expectRevert(abi.encodeWithSelector(IIssuerRegistry.UnknownKey.selector, id, KEY));
        registry.compromiseKey(id, KEY, NOW, RECOVERY, NEVER, "");
    }

    function test_compromiseKey_revertsWithUnknownIssuer() public {
        vm.prank(RECOVERY);
        vm.expectRevert(abi.encodeWithSelector(IIssuerRegistry.UnknownIssuer.selector, KEY));
        registry.compromiseKey(KEY, KEY, NOW, RECOVERY, NEVER, "");
    }

    function test_fuzz_compromiseKey_neverMovesLater(uint64[6] calldata times) public {
        uint256 since = type(uint256).max;
        for (uint256 i; i < times.length; ++i) {
            compromiseKey(RECOVERY, SIGNING_KEY, uint64(bound(times[i], 1, type(uint40).max)));
            uint256 found = registry.key(id, SIGNING_KEY).compromisedSince;
            vm.assertLe(found, since, "the compromise moved later");
            since = found;
        }
    }

    function test_fuzz_compromiseKey_controllerNeverDatesBack(uint64 since, uint32 wait) public {
        vm.warp(NOW + uint256(wait));
        since = uint64(bound(since, 1, NOW + uint256(wait) - 1));
        vm.prank(CONTROLLER);
        vm.expectRevert(abi.encodeWithSelector(IIssuerRegistry.CompromiseInThePast.selector, since));
        registry.compromiseKey(id, SIGNING_KEY, since, CONTROLLER, NEVER, "");
    }
}

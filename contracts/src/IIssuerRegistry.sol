// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Whose key was it, has it been withdrawn, and who stands behind the issuer?
/// @notice One record per issuer of credentials: its keys and their windows, its status bits, the hashes of its
/// profiles, the endorsements it gave, and how it closed. Nobody owns the registry; each record obeys its own keys.
///
/// Two levels of key. The *controller* does daily acts. The *recovery key*, committed to beforehand and kept
/// offline, does what would let a thief of the controller take, kill or re-date the record.
///
/// Every act takes `deadline` and `signature`. An empty signature means that the caller is the signer; otherwise
/// anyone may carry the signer's EIP-712 signature (ECDSA, else ERC-1271). The deadline counts in both cases.
/// Acts of the controller only ever move one way, so carrying one of them twice changes nothing.
///
/// Times are seconds since 1970 in block time. An absent bound (0) is infinity.
interface IIssuerRegistry {
    /// @notice What a key of an issuer may do.
    enum KeyRole {
        None, // not a key of this issuer
        Signing, // signs credentials; its key id is keccak256 of the 34 bytes of the Ed25519 multikey
        Revoking // sets status bits; its key id is the address as a number
    }

    struct Issuer {
        address controller; // does daily acts
        uint40 registeredAt; // 0 = no such record
        uint40 closedAt; // 0 = open
        bool closedForGood; // closed without successor: nothing below changes any more
        bytes32 recovery; // keccak256(abi.encode(address of the recovery key))
        bytes32 profile; // hash of the current profile
        bytes32 successor; // issuer that may still revoke and declare keys compromised; 0 = none
        bytes32 statement; // hash of the closing statement
        uint64 recoveryActs; // rotations and reinstatements so far
    }

    struct Key {
        uint40 from; // block time at recording, for ever; 0 = never recorded
        uint40 until; // exclusive; 0 = open-ended
        uint40 compromisedSince; // 0 = never
        KeyRole role;
    }

    struct Endorsement {
        uint40 from; // block time of the first endorsing; 0 = never given
        uint40 until; // exclusive; 0 = open-ended
        uint40 withdrawnSince; // 0 = never withdrawn
    }

    /// @notice Everything a verifier asks about one credential.
    struct Check {
        uint40 registeredAt;
        uint40 closedAt;
        bool closedForGood;
        bytes32 successor;
        bytes32 profile;
        uint40 from;
        uint40 until;
        uint40 compromisedSince;
        KeyRole role;
        bool revoked;
    }

    /// @notice Emitted when a record begins.
    event Registered(bytes32 indexed id, address controller, bytes32 recovery, bytes32 profile);

    /// @notice Emitted when a key is recorded.
    event KeyAdded(bytes32 indexed id, bytes32 indexed key, KeyRole role, uint40 until);

    /// @notice Emitted when a key's end moves earlier.
    event KeyEnded(bytes32 indexed id, bytes32 indexed key, uint40 until);

    /// @notice Emitted when a key's compromise is declared or moves earlier.
    event KeyCompromised(bytes32 indexed id, bytes32 indexed key, uint40 since);

    /// @notice Emitted when a new profile is recorded and becomes the current one.
    event ProfileRecorded(bytes32 indexed id, bytes32 profile);

    /// @notice Emitted when an endorsement is given or its end moves later.
    event Endorsed(
        bytes32 indexed accreditor, bytes32 indexed subject, bytes32 indexed profile, uint40 until
    );

    /// @notice Emitted when an endorsement is withdrawn or its withdrawal moves earlier.
    event EndorsementWithdrawn(
        bytes32 indexed accreditor, bytes32 indexed subject, bytes32 indexed profile, uint40 since
    );

    /// @notice Emitted when status bits are set; `mask` holds only the newly set ones.
    event Revoked(bytes32 indexed id, uint256 indexed word, uint256 mask, address signer);

    /// @notice Emitted when the recovery key put a new controller and a new recovery commitment in place.
    event Rotated(bytes32 indexed id, address controller, bytes32 recovery);

    /// @notice Emitted when a record closes.
    event Closed(bytes32 indexed id, bytes32 successor, bytes32 statement);

    /// @notice Emitted when the recovery key cleared status bits; `mask` holds only those that were set.
    event Reinstated(bytes32 indexed id, uint256 indexed word, uint256 mask);

    /// @notice Thrown when there is no record of that id.
    error UnknownIssuer(bytes32 id);

    /// @notice Thrown when a closed record is asked to act, or its successor is missing or closed itself.
    error IssuerClosed(bytes32 id);

    /// @notice Thrown when the request is carried after its deadline.
    error DeadlinePassed(uint64 deadline);

    /// @notice Thrown when the signature is empty and the caller is not the signer.
    error CallerNotSigner(address caller, address signer);

    /// @notice Thrown when the signature is not the signer's, for this request, chain and contract.
    error WrongSignature(address signer);

    /// @notice Thrown when `signer` holds no key that may do this.
    error SignerNotEntitled(bytes32 id, address signer);

    /// @notice Thrown for a zero controller.
    error ZeroController();

    /// @notice Thrown for a zero recovery commitment.
    error ZeroRecovery();

    /// @notice Thrown for a zero profile hash.
    error ZeroProfile();

    /// @notice Thrown for a key id that cannot be a key of that role.
    error InvalidKey(bytes32 key, KeyRole role);

    /// @notice Thrown when the issuer never recorded that key.
    error UnknownKey(bytes32 id, bytes32 key);

    /// @notice Thrown for a time that is zero, too large, or on the wrong side of the block's time.
    error InvalidTime(uint64 time);

    /// @notice Thrown when the controller declares a compromise before now: only the recovery key may re-date.
    error CompromiseInThePast(uint64 since);

    /// @notice Thrown when the controller withdraws since a time before now: only the recovery key may re-date.
    error WithdrawalInThePast(uint64 since);

    /// @notice Thrown when the issuer never recorded that profile.
    error UnknownProfile(bytes32 id, bytes32 profile);

    /// @notice Thrown when the accreditor never endorsed that.
    error UnknownEndorsement(bytes32 accreditor, bytes32 subject, bytes32 profile);

    /// @notice Thrown when a withdrawn endorsement is given again.
    error EndorsementIsWithdrawn(bytes32 accreditor, bytes32 subject, bytes32 profile);

    /// @notice Thrown when a record names itself as its successor.
    error OwnSuccessor(bytes32 id);

    /// @notice Begins the record of an issuer; anyone may send it, since the id commits to every argument.
    /// Repeating it returns the id and changes nothing.
    /// @param controller address that does daily acts
    /// @param recovery keccak256(abi.encode(address of the recovery key))
    /// @param profile hash of the issuer's profile, recorded as its first
    /// @param salt any value: lets one controller begin several records
    function register(address controller, bytes32 recovery, bytes32 profile, bytes32 salt)
        external
        returns (bytes32 id);

    /// @notice Controller: records a key, whose window begins now. A key that is there already stays as it is.
    /// @param until 0 or a time in the future
    function addKey(
        bytes32 id,
        bytes32 keyId,
        KeyRole role,
        uint64 until,
        uint64 deadline,
        bytes calldata signature
    ) external;

    /// @notice Controller: ends a key at `until`, or now if that is past. An end only ever moves earlier, never
    /// before now: a window that has ended never reopens, and never shrinks over the past.
    function endKey(bytes32 id, bytes32 keyId, uint64 until, uint64 deadline, bytes calldata signature)
        external;

    /// @notice Declares a key compromised since a time, which only ever moves earlier. The recovery key may say
    /// any time; the controller only now or later. After closing: the same keys of the successor.
    function compromiseKey(
        bytes32 id,
        bytes32 keyId,
        uint64 since,
        address signer,
        uint64 deadline,
        bytes calldata signature
    ) external;

    /// @notice Controller: records a profile's hash, which becomes the current one. Recorded ones stay as they are.
    function recordProfile(bytes32 id, bytes32 profile, uint64 deadline, bytes calldata signature) external;

    /// @notice Controller of `accreditor`: stands behind exactly this issuer and this profile from now until
    /// `until` (0 = open-ended). Repeating it only ever moves the end later.
    function endorse(
        bytes32 accreditor,
        bytes32 subject,
        bytes32 profile,
        uint64 until,
        uint64 deadline,
        bytes calldata signature
    ) external;

    /// @notice Withdraws an endorsement since a time, which only ever moves earlier. The recovery key of
    /// `accreditor` may say any time, which counts from the endorsement's beginning at the earliest; the controller
    /// only now or later. Later than now counts as now: nothing is withdrawn beforehand. So the controller signs
    /// "now" by giving the deadline as `since`, whenever the request is carried.
    function withdraw(
        bytes32 accreditor,
        bytes32 subject,
        bytes32 profile,
        uint64 since,
        address signer,
        uint64 deadline,
        bytes calldata signature
    ) external;

    /// @notice Sets status bits of word `word`. The caller is a revoking key whose window is open now; after
    /// closing, one of the successor. Bits that are set already are no error.
    function revoke(bytes32 id, uint256 word, uint256 mask) external;

    /// @notice The same, carried for the revoking key `signer`.
    function revoke(
        bytes32 id,
        uint256 word,
        uint256 mask,
        address signer,
        uint64 deadline,
        bytes calldata signature
    ) external;

    /// @notice Recovery key: replaces the controller and commits to the next recovery key.
    function rotate(
        bytes32 id,
        address controller,
        bytes32 recovery,
        address signer,
        uint64 deadline,
        bytes calldata signature
    ) external;

    /// @notice Recovery key: closes the record for ever. Every key window ends here; only `successor` (0 =
    /// nobody) may still revoke and declare keys compromised.
    /// @param statement hash of the closing statement, may be 0
    function close(
        bytes32 id,
        bytes32 successor,
        bytes32 statement,
        address signer,
        uint64 deadline,
        bytes calldata signature
    ) external;

    /// @notice Recovery key: clears status bits, which a stolen revoking key set. Impossible after closing.
    function reinstate(
        bytes32 id,
        uint256 word,
        uint256 mask,
        address signer,
        uint64 deadline,
        bytes calldata signature
    ) external;

    /// @notice The id that `register` gives to these arguments on this chain.
    function idOf(address controller, bytes32 recovery, bytes32 profile, bytes32 salt)
        external
        view
        returns (bytes32 id);

    /// @notice A verifier's whole question about one credential in one call. Never reverts; `registeredAt` 0 means
    /// no such issuer, `from` 0 no such key.
    function check(bytes32 id, bytes32 keyId, uint256 statusIndex) external view returns (Check memory answer);

    /// @notice The whole record of an issuer; all zero if there is none.
    function issuer(bytes32 id) external view returns (Issuer memory record);

    /// @notice One key of an issuer; all zero if it was never recorded.
    function key(bytes32 id, bytes32 keyId) external view returns (Key memory window);

    /// @notice 256 status bits; index i is bit i % 256, counted from the least significant, of word i / 256.
    function statusWord(bytes32 id, uint256 word) external view returns (uint256 bits);

    /// @notice When the issuer recorded that profile; 0 = never.
    function profileRecordedAt(bytes32 id, bytes32 profile) external view returns (uint40 time);

    /// @notice What `accreditor` said about that issuer and profile; all zero if nothing.
    function endorsement(bytes32 accreditor, bytes32 subject, bytes32 profile)
        external
        view
        returns (Endorsement memory given);

    /// @notice The EIP-712 domain separator, computed for the chain that answers.
    function domainSeparator() external view returns (bytes32 separator);
}

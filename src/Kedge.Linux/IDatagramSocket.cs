namespace Kedge.Linux;

/// <summary>
/// A socket of one UDP port, on IPv4 and IPv6, or its in-memory twin in tests. One thread receives; any thread may send, from the same port
/// whichever socket it uses.
/// <para>
/// A buffer is a datagram, or a run of them: where <see cref="PacketBuffer.GsoSize"/> is not 0, datagrams of so many bytes each, one behind
/// the other, of which the last may be shorter. All of a run have the same ends and the same ECN bits.
/// </para>
/// </summary>
public interface IDatagramSocket
{
    /// <summary>
    /// Receives as many datagrams as are there and fit, one a buffer, or, from a socket with that offload, a run of several, without
    /// blocking. Each buffer received into is reset first and then carries source, destination (local address and interface) and ECN. A
    /// datagram that was longer than its buffer leaves an empty packet, as one that was sent empty does.
    /// </summary>
    /// <returns>How many buffers were filled; 0 when there is nothing now.</returns>
    int Receive(ReadOnlySpan<PacketBuffer> buffers);

    /// <summary>
    /// Sends datagrams and runs of them without blocking, each to its destination, from its source where it names one. Those to one
    /// destination leave in their order. Where the kernel refuses the source (the address has left this machine), the datagram is sent from
    /// an address of the kernel's choice and the buffer's source is cleared, so that the caller forgets it too. A run may be of any length;
    /// where the kernel does not cut it, its datagrams are sent one by one.
    /// </summary>
    /// <returns>How many datagrams the kernel took, each of a run counted; the others are lost.</returns>
    int Send(ReadOnlySpan<PacketBuffer> buffers);

    /// <summary>Blocks the receiving thread until <see cref="Receive"/> has something to do or <see cref="Wake"/> was called.</summary>
    void WaitReadable();

    /// <summary>Ends the current or the next <see cref="WaitReadable"/>.</summary>
    void Wake();
}

namespace Kedge.Linux;

/// <summary>
/// A UDP port that can be opened, moved and closed while other threads use its sockets, or its in-memory twin in tests. A new port is
/// closed. Any thread.
/// </summary>
public interface IDatagramPort
{
    /// <summary>The local port; 0 while closed.</summary>
    int Port { get; }

    /// <summary>The sockets, at least one; the same for as long as the port object exists, open or not.</summary>
    IReadOnlyList<IDatagramSocket> Sockets { get; }

    /// <summary>Opens the port, or moves to another one. If that fails, what was open stays open.</summary>
    /// <param name="port">The port; 0 for a random one.</param>
    /// <param name="mark">The firewall mark of everything sent (<c>SO_MARK</c>); 0 for none.</param>
    /// <exception cref="LinuxException">
    /// EADDRINUSE: the port is taken. EACCES: it is a privileged one. EADDRNOTAVAIL: this machine has no such local address.
    /// EAFNOSUPPORT: it speaks neither IPv4 nor IPv6.
    /// </exception>
    void Open(ushort port, uint mark = 0);

    /// <summary>Checks whether a port could be opened now, and leaves everything as it is.</summary>
    /// <param name="port">The port, 1 to 65,535.</param>
    /// <exception cref="LinuxException">It could not, for the same reasons as with <see cref="Open"/>.</exception>
    void Probe(ushort port);

    /// <summary>Closes the port: nothing is received, and what is sent is lost. It can be opened again.</summary>
    void Close();

    /// <summary>Sets the firewall mark of what is sent from now on; 0 for none. Does nothing while the port is closed.</summary>
    /// <exception cref="LinuxException">EPERM: this process may not.</exception>
    void SetMark(uint mark);
}
